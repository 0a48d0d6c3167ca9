package kademlia

import (
	"time"

	"ringswap/overlay"
)

// maxSeeds bounds the nodes that are remembered as ways back into the network.
const maxSeeds = 64

// join enters the overlay through the seeds, or adds them to the ways in.
func (u *upkeep) join(seeds []overlay.Contact) {
	if u.m.closed {
		return
	}
	for _, c := range seeds {
		if u.m.admissible(&c) {
			u.remember(&c)
		}
	}
	if len(u.seeds) > 0 {
		u.backoff = 0
		u.enter()
	}
}

// remember keeps a seed, at the cost of the oldest.
func (u *upkeep) remember(c *overlay.Contact) {
	for i, s := range u.seeds {
		if s.ID == c.ID {
			u.seeds[i] = c
			return
		}
	}
	if len(u.seeds) >= maxSeeds {
		u.seeds = append(u.seeds[:0], u.seeds[1:]...)
	}
	u.seeds = append(u.seeds, c)
}

// enter looks up this node's own place through its contacts and the seeds, and
// then fills the buckets (paper, section 2.3): those of the nearest subtree by
// lookups, the others by surveys. While nobody answers it is tried
// again, less and less often.
func (u *upkeep) enter() {
	m := u.m
	if u.entering {
		u.again = true
		return
	}
	u.entering, u.again = true, false
	m.timers.Stop(u.retry)
	m.background.Do(func(done func()) {
		r := &refresh{m: m, depth: -1, then: func(err error) {
			u.entering = false
			done()
			u.answered(err)
		}}
		m.find(u.selfKey(), FindNode, r, u.thorough(), u.seeds...)
	})
}

// answered is called when a lookup of our own place, as part of entering, ended.
func (u *upkeep) answered(err error) {
	m := u.m
	switch {
	case m.closed:
	case err != nil:
		const first, last = 2 * time.Second, 5 * time.Minute
		u.backoff = min(max(2*u.backoff, first), last)
		u.retry = m.after(m.jitter(u.backoff), u.enter)
	case u.again:
		u.enter()
	default:
		u.backoff, u.joined = 0, m.now
		near := m.table.nearDepth()
		u.fill(near)
		for d := range near {
			u.survey(d)
		}
	}
}

// fill looks up the buckets of the nearest subtree one after the other. The table
// may get more of them while that goes on.
func (u *upkeep) fill(d int) {
	if d < len(u.m.table.buckets) {
		u.fillBucket(d, func() { u.fill(d + 1) })
	}
}

// selfKey is the key of this node's own place.
func (u *upkeep) selfKey() overlay.Key { return overlay.PeerKey(u.m.self.Peer) }
