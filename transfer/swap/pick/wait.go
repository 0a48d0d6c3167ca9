package pick

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A peer may let this one wait: it serves others first, wants to be given
// something, or only pretends to be a holder. What was asked of it is then asked
// of others at once, and it keeps one small request, the standing one, by which
// it knows that something is wanted. That one holds nothing up: others may be asked for
// the same, and what comes counts if nobody was. The first byte that comes from the
// peer ends this.
const (
	// standing is how many bytes are asked of a peer that lets this one wait: what
	// it gives as a taste.
	standing = 64 << 10
	// graceTime is how long a peer may give nothing, beyond four round trips, until
	// what was asked of it is asked of others; busyTime if it said that it lets this
	// one wait. To leave at once who says so would spread what it has before it could
	// trade it, and who has nothing to trade stays poor (docs/decisions/0004).
	graceTime = 1500 * time.Millisecond
	busyTime  = 8 * time.Second
)

// Choked notes that a peer says it lets this one wait.
func (k *Picker) Choked(id peer.ID) {
	if p := k.byID[id]; p != nil {
		p.busy = true
	}
}

// Unchoked notes that a peer says it serves this one again.
func (k *Picker) Unchoked(now time.Time, id peer.ID) {
	if p := k.byID[id]; p != nil {
		p.gives(now)
	}
}

// gives notes that p serves.
func (p *pickPeer) gives(now time.Time) { p.gave, p.busy, p.held = now, false, false }

// hold takes back what was asked of p.
func (k *Picker) hold(p *pickPeer) {
	if p.held {
		return
	}
	p.held, p.mutely = true, p.got == 0
	for _, r := range slices.Clone(p.reqs) {
		if !r.lost {
			k.lose(p, r)
			k.cancel(p, r)
		}
	}
	k.endTrials(p)
}

// holdMute holds the peers that owe an answer and give nothing for a while.
func (k *Picker) holdMute(now time.Time) {
	for _, p := range k.peers {
		if at := p.mute(); !at.IsZero() && !now.Before(at) {
			k.hold(p)
		}
	}
}

// owes reports whether an answer of p is waited for.
func (p *pickPeer) owes() bool {
	return slices.ContainsFunc(p.reqs, func(r *pickReq) bool { return !r.lost })
}

// mute is when p will have given nothing for too long; zero if it owes nothing.
func (p *pickPeer) mute() time.Time {
	if p.held || !p.owes() {
		return time.Time{}
	}
	if p.busy {
		return p.gave.Add(busyTime)
	}
	return p.gave.Add(graceTime + 4*p.rtt)
}

// takeFrom takes a request back from the peer that was asked, and returns the
// segment that is free then; nil if there is none where it was.
func (k *Picker) takeFrom(from *pickPeer, r *pickReq) (*pickBlock, int) {
	b, off := r.blk, r.off+r.got
	if r.got < minKeep {
		off = r.off
	}
	k.lose(from, r)
	k.cancel(from, r)
	from.mutely = from.got == 0
	if b.trial != nil {
		k.endTrial(b)
		off = 0
	}
	for i, s := range b.segs {
		if s.state == segFree && s.off == off {
			return b, i
		}
	}
	return nil, 0
}

// stand makes the standing request to p: for a part of a block that was begun and
// is asked of nobody, for one that is still to be begun, or else for what others
// were asked for.
func (k *Picker) stand(now time.Time, p *pickPeer, allow int) int {
	r := k.unasked(p)
	for _, j := range k.jobs {
		if r != nil {
			break
		}
		if i := k.pick(j, p); i >= 0 && j.sizes[i] > 0 {
			r = &pickReq{job: j, key: Key{Job: j.id, Index: i}, n: min(j.sizes[i], standing)}
		}
	}
	if r == nil {
		r = k.unsettled(p)
	}
	if r == nil || r.n > allow {
		return 0
	}
	k.reqs++
	r.id, r.cost, r.sent = k.reqs, r.n, now
	r.standing, r.lost = true, true
	p.add(now, r)
	k.acts = append(k.acts, Action{Kind: Request, Peer: p.id, Req: r.id, Key: r.key, Off: r.off, N: r.n})
	return r.cost
}

// unasked is a request for a part of an active block that p has, and that nobody
// is asked for, not even by another standing request; nil if there is none.
func (k *Picker) unasked(p *pickPeer) *pickReq {
	for _, b := range k.active {
		if b.full || b.size == 0 || !p.has(b.job, b.key.Index) {
			continue
		}
		for _, s := range b.segs {
			if s.state != segFree {
				continue
			}
			for off := s.off; off < s.off+s.n; off += standing {
				if !k.stands(b.key, off) {
					return &pickReq{job: b.job, key: b.key, off: off, n: min(s.off+s.n-off, standing)}
				}
			}
		}
	}
	return nil
}

// stands reports whether a standing request was made for that part.
func (k *Picker) stands(key Key, off int) bool {
	return slices.ContainsFunc(k.peers, func(p *pickPeer) bool {
		return p.held && slices.ContainsFunc(p.reqs, func(r *pickReq) bool { return r.standing && r.key == key && r.off == off })
	})
}

// unsettled is a request for a part of an active block that p has and that has not
// come; nil if there is none.
func (k *Picker) unsettled(p *pickPeer) *pickReq {
	for _, b := range k.active {
		if b.full || b.size == 0 || !p.has(b.job, b.key.Index) {
			continue
		}
		for _, s := range b.segs {
			if s.state != segDone {
				return &pickReq{job: b.job, key: b.key, off: s.off, n: min(s.n, standing)}
			}
		}
	}
	return nil
}

// adopt makes a standing request, to which an answer comes, one like all others if
// nobody else was asked for the same.
func (k *Picker) adopt(now time.Time, p *pickPeer, r *pickReq) {
	r.standing = false
	if !slices.Contains(k.jobs, r.job) {
		return
	}
	b := k.block(r.key)
	if b == nil && r.job.todo.Has(r.key.Index) && k.room(r.job.sizes[r.key.Index]+k.reserve(r.job, r.key.Index)) {
		b = k.activate(r.job, r.key.Index)
	}
	if b == nil || b.trial != nil && !k.mayTry(now, p, b) {
		return
	}
	for i, s := range b.segs {
		end := r.off + r.n
		if s.state != segFree || s.off > r.off || s.off+s.n < end {
			continue
		}
		parts := []segment{{off: r.off, n: r.n, state: segAsked, peer: p, req: r}}
		if s.off < r.off {
			parts = slices.Insert(parts, 0, segment{off: s.off, n: r.off - s.off, peer: s.peer})
		}
		if end < s.off+s.n {
			parts = append(parts, segment{off: end, n: s.off + s.n - end, peer: s.peer})
		}
		b.segs = slices.Replace(b.segs, i, i+1, parts...)
		if b.trial != nil {
			b.trial.alone = p
		}
		r.blk, r.lost = b, false
		return
	}
}

// dropStanding takes back the standing requests of a job that has ended.
func (k *Picker) dropStanding(j *pickJob) {
	for _, p := range k.peers {
		for _, r := range p.reqs {
			if r.standing && r.job == j {
				r.standing = false
				k.acts = append(k.acts, Action{Kind: Cancel, Peer: p.id, Req: r.id})
			}
		}
	}
}
