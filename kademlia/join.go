package kademlia

import (
	"time"

	"ringswap/overlay"
)

// maxSeeds bounds the nodes that are remembered as ways back into the network.
const maxSeeds = 64

// join enters the overlay through the seeds, or adds them to the ways in.
func (m *Machine) join(seeds []overlay.Contact) {
	if m.closed {
		return
	}
	u := &m.upkeep
	for i := range seeds {
		c := seeds[i]
		if !m.admissible(&c) {
			continue
		}
		u.remember(&c)
	}
	if len(u.seeds) > 0 {
		u.backoff = 0
		m.enter()
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
// then fills the buckets (paper, section 2.3). While nobody answers it is tried
// again, less and less often.
func (m *Machine) enter() {
	u := &m.upkeep
	if u.entering {
		u.again = true
		return
	}
	u.entering, u.again = true, false
	m.timers.stop(u.retry)
	m.later(func(done func()) {
		r := &refresh{m: m, depth: -1, then: func(err error) {
			u.entering = false
			done()
			m.entered(err)
		}}
		m.find(m.selfKey(), FindNode, r, m.thorough(), u.seeds...)
	})
}

// entered is called when a lookup of our own place, as part of entering, ended.
func (m *Machine) entered(err error) {
	u := &m.upkeep
	switch {
	case m.closed:
	case err != nil:
		const first, last = 2 * time.Second, 5 * time.Minute
		u.backoff = min(max(2*u.backoff, first), last)
		u.retry = m.after(m.jitter(u.backoff), m.enter)
	case u.again:
		m.enter()
	default:
		u.backoff, u.entered = 0, m.now
		m.fill(0)
	}
}

// fill looks up one bucket after the other, the far ones first. The table may
// get more of them while that goes on.
func (m *Machine) fill(d int) {
	if d < len(m.table.buckets) {
		m.refreshBucket(d, func() { m.fill(d + 1) })
	}
}

// selfKey is the key of this node's own place.
func (m *Machine) selfKey() overlay.Key { return overlay.PeerKey(m.self.Peer) }
