package pick

import (
	"slices"
	"time"

	"ringswap/transfer/swap/wire"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Received notes n more bytes of the answer to req. wanted is false if the
// answer is no longer wanted; more says that Next has something to ask.
func (k *Picker) Received(now time.Time, id peer.ID, req uint64, n int) (wanted, more bool) {
	p := k.byID[id]
	if p == nil {
		return false, false
	}
	r := p.find(req)
	if r == nil {
		return false, false
	}
	p.meter = p.meter.at(now)
	p.meter.acc += float64(n)
	p.pace = p.pace.since(now.Add(-maxGap)).at(now)
	p.pace.acc += float64(n)
	if r.got == 0 && len(p.reqs) > 0 && p.reqs[0] == r && p.asked == r.cost {
		p.rtt = min(p.rtt, max(now.Sub(r.sent), 0)) // nothing was queued before it
	}
	before := r.left()
	r.got += n
	if r.n == 0 && 4*r.got > 3*r.cost { // larger than it was taken for
		r.cost = min(2*r.got, wire.MaxBlock)
	}
	p.asked -= before - r.left()
	p.got += int64(n)
	p.heard, p.refusals = now, 0
	p.gives(now)
	if r.standing {
		k.adopt(now, p, r)
	}
	return !r.lost, p.wantsMore(now)
}

// Finished notes the end of the answer to req, whose bytes then are a part of
// key; the zero Key means that they are not wanted. full says that the block now
// has every byte, and is to be verified.
func (k *Picker) Finished(now time.Time, id peer.ID, req uint64) (key Key, full bool) {
	p := k.byID[id]
	if p == nil {
		return Key{}, false
	}
	r := p.find(req)
	if r == nil {
		return Key{}, false
	}
	p.heard = now
	p.end(now, r)
	if r.lost {
		return Key{}, false
	}
	b := r.blk
	for i := range b.segs {
		if s := &b.segs[i]; s.req == r {
			if r.n == 0 { // a block of unknown size: now it is known
				b.size, s.n = r.got, r.got
				k.nodeSize = (7*k.nodeSize + max(r.got, 4<<10)) / 8
			}
			s.state, s.req = segDone, nil
		}
	}
	b.full = !slices.ContainsFunc(b.segs, func(s segment) bool { return s.state != segDone })
	return b.key, b.full
}

// Refused notes that req will not be answered, or not to its end.
func (k *Picker) Refused(now time.Time, id peer.ID, req uint64, reason wire.Reason) {
	p := k.byID[id]
	if p == nil {
		return
	}
	r := p.find(req)
	if r == nil {
		return
	}
	p.heard = now
	if !r.lost {
		k.lose(p, r)
	}
	p.end(now, r)
	switch reason {
	case wire.ReasonCanceled:
		return
	case wire.ReasonBusy:
		p.refusals++
	case wire.ReasonClosed:
		p.paused = now.Add(denyTime)
		return
	default:
		p.deny(now, r.key)
		k.endTrials(p)
		if p.refusals++; p.refusals < 8 {
			return
		}
	}
	p.paused = now.Add(min(100*time.Millisecond<<min(p.refusals, 8), denyTime))
}

// lose gives up on r: what came of it is kept, the rest is free again.
func (k *Picker) lose(p *pickPeer, r *pickReq) {
	if r.lost {
		return
	}
	r.lost = true
	b := r.blk
	i := slices.IndexFunc(b.segs, func(s segment) bool { return s.req == r })
	if i < 0 {
		return
	}
	s := b.segs[i]
	b.orphan = true
	if r.n == 0 || r.got < minKeep {
		b.segs[i] = segment{off: s.off, n: s.n, peer: p}
		return
	}
	got := min(r.got, s.n)
	k.acts = append(k.acts, Action{Kind: Keep, Peer: p.id, Req: r.id, Key: b.key, Off: s.off, N: got})
	b.segs[i] = segment{off: s.off, n: got, state: segDone, peer: p}
	if got < s.n {
		b.segs = slices.Insert(b.segs, i+1, segment{off: s.off + got, n: s.n - got, peer: p})
	}
}

// restart throws away what has come of b.
func (k *Picker) restart(b *pickBlock) {
	k.abandon(b)
	b.size = b.job.sizes[b.key.Index]
	b.segs, b.full, b.orphan = []segment{{n: b.size}}, false, true
	k.acts = append(k.acts, Action{Kind: Discard, Key: b.key, Off: -1})
}

// distrust throws away what a liar gave to blocks that are not full.
func (k *Picker) distrust(p *pickPeer) {
	for _, b := range k.active {
		if b.full {
			continue // the hash will tell
		}
		for i, s := range b.segs {
			if s.state == segDone && s.peer == p {
				b.segs[i] = segment{off: s.off, n: s.n}
				b.orphan = true
				k.acts = append(k.acts, Action{Kind: Discard, Key: b.key, Off: s.off})
			}
		}
	}
}

// Settled notes that a full block was verified and handed over.
func (k *Picker) Settled(key Key) {
	if b := k.block(key); b != nil {
		k.settled = k.settled || b.job.chunks
		k.deactivate(b)
	}
}

// Failed notes that a full block does not match its CID. If one peer gave all
// of it, that peer is banned; otherwise the block goes on trial: see try.
func (k *Picker) Failed(key Key) {
	b := k.block(key)
	if b == nil {
		return
	}
	if givers := b.givers(); len(givers) == 1 {
		if b.trial != nil {
			k.endTrial(b)
		} else {
			k.restart(b)
		}
		k.Ban(givers[0], "sent bytes that do not match their CID")
		return
	}
	k.try(b)
}

func (b *pickBlock) givers() []peer.ID {
	var ids []peer.ID
	for _, s := range b.segs {
		if s.peer != nil && !slices.Contains(ids, s.peer.id) {
			ids = append(ids, s.peer.id)
		}
	}
	return ids
}

// Ban removes a liar for good.
func (k *Picker) Ban(id peer.ID, reason string) {
	k.RemovePeer(id, true)
	k.acts = append(k.acts, Action{Kind: Ban, Peer: id, Reason: reason})
}

// dropSilent drops the peers that owe an answer and say nothing.
func (k *Picker) dropSilent(now time.Time) {
	silent := func(p *pickPeer) bool { return len(p.reqs) > 0 && now.Sub(p.heard) >= p.patience(k.cfg.Stall) }
	for i := slices.IndexFunc(k.peers, silent); i >= 0; i = slices.IndexFunc(k.peers, silent) {
		id := k.peers[i].id
		k.RemovePeer(id, false)
		k.acts = append(k.acts, Action{Kind: Drop, Peer: id, Reason: "stalled"})
	}
}

// expire ends what was only for a while.
func (k *Picker) expire(now time.Time) {
	for _, p := range k.peers {
		if !p.undeny.IsZero() && !now.Before(p.undeny) {
			p.denied, p.undeny, p.dry = nil, time.Time{}, false
		}
	}
}

// Starved reports whether there is work and no peer that could do any of it
// now, counting those that are paused as able.
func (k *Picker) Starved() bool {
	if len(k.jobs) == 0 {
		return false
	}
	for _, p := range k.peers {
		if len(p.reqs) > 0 {
			return false
		}
		if !p.useful() {
			continue
		}
		for _, j := range k.jobs {
			if k.common(j, p, 0) >= 0 {
				return false
			}
		}
		for _, b := range k.active {
			if b.full || p.has(b.job, b.key.Index) {
				return false
			}
		}
	}
	return !slices.ContainsFunc(k.active, func(b *pickBlock) bool { return b.full })
}
