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
	p.held = true
	for _, r := range slices.Clone(p.reqs) {
		if !r.lost {
			k.lose(p, r)
			k.cancel(p, r)
		}
	}
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
	if r.got < minKeep || b.solo {
		off = r.off
	}
	k.lose(from, r)
	k.cancel(from, r)
	for i, s := range b.segs {
		if s.state == segFree && s.off == off {
			return b, i
		}
	}
	return nil, 0
}

// stand makes the standing request to p: for a block that is still to be begun,
// or else for what others were asked for.
func (k *Picker) stand(now time.Time, p *pickPeer, allow int) int {
	r := &pickReq{off: 0, lost: true, standing: true, sent: now}
	for _, j := range k.jobs {
		if i := k.pick(j, p); i >= 0 && j.sizes[i] > 0 {
			r.job, r.key, r.n = j, Key{Job: j.id, Index: i}, min(j.sizes[i], standing)
			break
		}
	}
	if r.job == nil {
		b, s := k.unsettled(p)
		if b == nil {
			return 0
		}
		r.job, r.key, r.off, r.n = b.job, b.key, s.off, min(s.n, standing)
	}
	if r.n > allow {
		return 0
	}
	k.reqs++
	r.id, r.cost = k.reqs, r.n
	p.add(now, r)
	k.acts = append(k.acts, Action{Kind: Request, Peer: p.id, Req: r.id, Key: r.key, Off: r.off, N: r.n})
	return r.cost
}

// unsettled is a part of an active block that has not come and that p has.
func (k *Picker) unsettled(p *pickPeer) (*pickBlock, segment) {
	for _, b := range k.active {
		if b.full || b.size == 0 || b.solo || !p.has(b.job, b.key.Index) {
			continue
		}
		for _, s := range b.segs {
			if s.state != segDone {
				return b, s
			}
		}
	}
	return nil, segment{}
}

// adopt makes a standing request, to which an answer comes, one like all others if
// nobody else was asked for the same.
func (k *Picker) adopt(p *pickPeer, r *pickReq) {
	r.standing = false
	if !slices.Contains(k.jobs, r.job) {
		return
	}
	b := k.block(r.key)
	if b == nil && r.job.todo.Has(r.key.Index) && k.room(r.job.sizes[r.key.Index]+k.reserve(r.job, r.key.Index)) {
		b = k.activate(r.job, r.key.Index)
	}
	if b == nil || b.solo {
		return
	}
	for i, s := range b.segs {
		if s.state != segFree || s.off != r.off || s.n < r.n {
			continue
		}
		if s.n > r.n {
			b.segs = slices.Insert(b.segs, i+1, segment{off: s.off + r.n, n: s.n - r.n, peer: p})
		}
		b.segs[i] = segment{off: s.off, n: r.n, state: segAsked, peer: p, req: r}
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
