package pick

import (
	"slices"
	"time"

	"ringswap/transfer/swap/wire"
)

// choose finds the free segment that p should work on next, or nil. It may make
// a block active or take a segment from a slower peer.
func (k *Picker) choose(now time.Time, p *pickPeer) (*pickBlock, int) {
	if b, i := k.unfinished(now, p, func(b *pickBlock, s segment) bool {
		return b.job.order == Sequential || b.orphan || s.peer == p
	}); b != nil {
		return b, i
	}
	if k.inOrder() { // what is waited for first must not hang on a slow peer
		if b, i := k.takeOver(now, p); b != nil {
			return b, i
		}
	}
	if b := k.fresh(p); b != nil {
		return b, 0
	}
	if b, i := k.unfinished(now, p, func(*pickBlock, segment) bool { return true }); b != nil {
		return b, i
	}
	return k.takeOver(now, p)
}

func (k *Picker) inOrder() bool {
	return slices.ContainsFunc(k.jobs, func(j *pickJob) bool { return j.order == Sequential })
}

// unfinished returns the first free segment that p may fill and that fits.
func (k *Picker) unfinished(now time.Time, p *pickPeer, fits func(*pickBlock, segment) bool) (*pickBlock, int) {
	for _, b := range k.active {
		if b.full {
			continue
		}
		for i := range b.segs {
			if b.segs[i].state != segFree || !fits(b, b.segs[i]) {
				continue
			}
			if !k.mayServe(now, p, b) {
				break
			}
			return b, i
		}
	}
	return nil, 0
}

// mayServe reports whether p may be asked for bytes of b.
func (k *Picker) mayServe(now time.Time, p *pickPeer, b *pickBlock) bool {
	return p.has(b.job, b.key.Index) && (b.trial == nil || k.mayTry(now, p, b))
}

// fresh starts the block that p should begin next, or returns nil.
func (k *Picker) fresh(p *pickPeer) *pickBlock {
	if p.dry {
		return nil
	}
	full := false
	for _, j := range k.jobs {
		i := k.pick(j, p)
		if i < 0 {
			continue
		}
		if !k.room(j.sizes[i] + k.reserve(j, i)) {
			full = true
			continue
		}
		if j.order == Sequential || j.chunks {
			j.cursor = i + 1
		}
		return k.activate(j, i)
	}
	p.dry = !full
	return nil
}

// reserve is what has to stay free when block i of j becomes active. In order, a
// block that is not the next one waits for those before it, and must leave room
// for them: they may all be at peers that come later.
func (k *Picker) reserve(j *pickJob, i int) int {
	if j.order == Sequential && i > j.todo.Next(0) {
		return wire.MaxBlock
	}
	return 0
}

// firstRandom is how many chunks a fetch begins with at random: something to pass
// on comes sooner from those that many have than from the rarest.
const firstRandom = 4

// Bounds of the search for a rare chunk: all are compared if they are few, a
// sample of them otherwise, which finds nearly as rare a one.
const (
	rareAll    = 512
	rareSample = 64
)

// pick returns the block of j that p should begin, or -1: in order if the job
// says so, else the rarest chunk (the first few: any), and among equals the next of a run that began
// at random, so that peers which started together hold different chunks.
func (k *Picker) pick(j *pickJob, p *pickPeer) int {
	switch {
	case j.todo.Count() == 0:
		return -1
	case j.order == Sequential || !j.chunks:
		return k.common(j, p, 0)
	case k.partials == 0:
		return k.around(j, p, j.cursor)
	case j.started < firstRandom:
		return k.around(j, p, k.cfg.Rand.IntN(len(j.sizes)))
	case j.todo.Count() > rareAll:
		return k.rareAmong(j, p, rareSample, func(int) int { return k.cfg.Rand.IntN(len(j.sizes)) })
	}
	return k.rareAmong(j, p, j.todo.Count(), func(last int) int { return last + 1 })
}

// rareAmong compares up to n chunks, each the first one from where says on.
func (k *Picker) rareAmong(j *pickJob, p *pickPeer, n int, where func(last int) int) int {
	best, ties, last := -1, 1, j.cursor-1
	for range n {
		i := k.around(j, p, where(last))
		if i < 0 {
			return -1
		}
		last = i
		switch {
		case best < 0 || k.rarity[i] < k.rarity[best]:
			best, ties = i, 1
		case k.rarity[i] == k.rarity[best]:
			if ties++; k.cfg.Rand.IntN(ties) == 0 {
				best = i
			}
		}
	}
	return best
}

// around is common that begins again at the start.
func (k *Picker) around(j *pickJob, p *pickPeer, from int) int {
	if i := k.common(j, p, from); i >= 0 {
		return i
	}
	return k.common(j, p, 0)
}

// common returns the first block of j from index i on that is to be started and
// that p has, or -1.
func (k *Picker) common(j *pickJob, p *pickPeer, i int) int {
	for i = j.todo.Next(i); i >= 0; i = j.todo.Next(i + 1) {
		if p.has(j, i) {
			return i
		}
		if j.chunks && !p.complete {
			if i = p.have.Next(i + 1); i < 0 {
				return -1
			}
			i--
		}
	}
	return -1
}

// takeOverFactor is how many times faster p has to be than the peer from whom it
// takes over, since some of what that one has sent comes for nothing. In simulated
// swarms twice as much is wasted with 2, and nobody is done earlier.
const takeOverFactor = 4

// takeOver frees the segment that would profit most from being asked of p, who
// has nothing else to do, instead of the peer that has it. So the end of a
// transfer does not wait for the slowest, and a peer that drips is overtaken.
func (k *Picker) takeOver(now time.Time, p *pickPeer) (*pickBlock, int) {
	if now.Before(p.steal) {
		return nil, 0
	}
	p.steal = time.Time{}
	var from *pickPeer
	var best *pickReq
	gain, others := time.Duration(0), false
	speed := p.rate(now)
	for _, o := range k.peers {
		if o == p || len(o.reqs) == 0 || !p.complete && k.brings(now, o) {
			continue
		}
		ahead, rate := 0, o.rate(now)
		for _, r := range o.reqs {
			ahead += r.left()
			if r.lost || !p.has(r.blk.job, r.blk.key.Index) {
				continue
			}
			others = true
			if p.mutely && p.got == 0 && k.provenFor(now, r, o) {
				continue
			}
			rest := r.left()
			if t := r.blk.trial; t != nil {
				if t.tried[p.id] > 0 {
					continue
				}
				rest = r.blk.size // what one gave is of no use to another
			}
			theirs := eta(ahead, rate)
			ours := p.rtt + eta(p.asked+rest, speed)
			if g := theirs - takeOverFactor*ours; g > depth && g > gain {
				from, best, gain = o, r, g
			}
		}
	}
	if best == nil {
		if others {
			p.steal = k.nextLook(now)
		}
		return nil, 0
	}
	return k.takeFrom(from, best)
}

// provenFor reports whether a peer that has given something, and could take more,
// might take r over from o. Before such a one nobody is tried who has only said what
// it has: a stranger is taken for fast, and the last request of a fetch would go
// from one mute peer to the next.
func (k *Picker) provenFor(now time.Time, r *pickReq, o *pickPeer) bool {
	return slices.ContainsFunc(k.peers, func(p *pickPeer) bool {
		return p != o && p.got > 0 && !p.held && p.wantsMore(now) && p.has(r.blk.job, r.blk.key.Index)
	})
}

// brings reports whether p, which has everything, may be about to bring a first
// whole chunk, which peers that have few had better leave to it: a newcomer has one
// gift from each holder, and what it cannot complete it cannot pass on.
func (k *Picker) brings(now time.Time, p *pickPeer) bool {
	return !k.settled && p.complete && !p.held && now.Sub(k.began) < busyTime
}

// nextLook is when the peers that found nothing to take over look again: all of
// them at the same time.
func (k *Picker) nextLook(now time.Time) time.Time {
	if !now.Before(k.look) {
		k.look = now.Add(stealEvery)
	}
	return k.look
}

// eta is how long n bytes take at a rate, at most an hour.
func eta(n int, rate float64) time.Duration {
	s := float64(n) / max(rate, 1)
	return time.Duration(min(s, 3600) * float64(time.Second))
}
