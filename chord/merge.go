package chord

import (
	"ringswap/overlay"
)

// Two rings become one in three steps. Some node of one hears of a node of the
// other: from a seed, from the transport, from what it remembers (memory.go). It
// compares its place in the two rings and takes the nearer successor, or tells the
// node before it that it is there. What its list then names is new to the node
// before it, which compares in its turn; so it goes around, without waiting.

// lookAround looks up our own place through a distant node, which comes out
// nearer than our successor if there is another ring. It takes one node in the whole
// ring to see that, so each looks the more seldom the more there are.
func (r *ring) lookAround() {
	m := r.m
	const most = 3 // doublings
	r.looks = min(r.looks+1, most)
	r.look = m.after(m.jitter(m.cfg.Ring.SelfLookup*m.company()<<r.looks), r.lookAround)
	if !m.server || r.joining || len(m.index.list) == 0 {
		return
	}
	through := m.index.list[m.cfg.Rand.IntN(len(m.index.list))].c
	if len(r.seeds) > 0 && m.cfg.Rand.IntN(2) == 0 {
		through = r.seeds[m.cfg.Rand.IntN(len(r.seeds))]
	}
	r.compare(through, nil)
}

// compare finds our place in the ring that a node is in, and moves there if a
// live node stands between us and our successor: how two rings become one. then,
// which may be nil, is called when that is done; it is not if it cannot begin.
func (r *ring) compare(through *overlay.Contact, then func()) {
	m := r.m
	if !m.server || m.closed || r.joining {
		return
	}
	r.joining = true
	done := func(bool) {
		r.joining = false
		if then != nil {
			then()
		}
	}
	r.place([]*overlay.Contact{through}, func(ways []*overlay.Contact) { r.joinThrough(ways, done) })
}

// stranger is the first node of a list that is about to be ours, if it may be of
// another ring, which has just met ours ahead: a good part of the list is new. Of two
// rings, at least the smaller one sees that: to its nodes, half of a list or more is.
func (r *ring) stranger(list []*overlay.Contact) (first *overlay.Contact) {
	m := r.m
	if len(r.succ) == 0 || !r.hurries() || m.cfg.Ring.Remember < 0 {
		return nil
	}
	strangers := 0
	known := roll{self: m.self.ID, list: r.succ}
	for _, c := range list {
		if c.ID == m.self.ID || known.has(c) || m.index.find(c.ID) != nil {
			continue
		}
		if strangers++; first == nil {
			first = c
		}
	}
	if strangers < max(2, len(list)/4) { // a few are newcomers
		return nil
	}
	return first
}

// maxSurvey is how many of the seeds are looked at right after joining.
const maxSurvey = 4

// survey compares our place with that in the rings of the latest seeds, from the
// i-th one down, if they are not among those that we know by now.
func (r *ring) survey(i, left int) {
	m := r.m
	if !m.server || m.closed || !r.hurries() {
		return
	}
	for i = min(i, len(r.seeds)-1); i >= 0 && left > 0; i-- {
		if c := r.seeds[i]; m.index.find(c.ID) == nil && !m.memory.justLost(c.ID) {
			r.compare(c, func() { r.survey(i-1, left-1) })
			return
		}
	}
}
