package chord

import (
	"slices"
	"time"

	"ringswap/overlay"
)

// maxSeeds bounds the nodes that are remembered as ways into the ring.
const maxSeeds = 64

// join takes in seeds, and enters the ring through them if this node is not in
// one with others yet. In a ring, a seed may show another one.
func (r *ring) join(seeds []overlay.Contact) {
	m := r.m
	if m.closed {
		return
	}
	fresh := false
	for i := range seeds {
		c := &seeds[i]
		if m.admit(c) != nil {
			continue
		}
		if j := slices.IndexFunc(r.seeds, func(s *overlay.Contact) bool { return s.ID == c.ID }); j >= 0 {
			r.seeds = slices.Delete(r.seeds, j, j+1)
		}
		copied := *c
		r.seeds = append(r.seeds, &copied)
		fresh = true
	}
	if extra := len(r.seeds) - maxSeeds; extra > 0 {
		r.seeds = slices.Delete(r.seeds, 0, extra)
	}
	if fresh {
		r.backoff = 0
		r.enter()
	}
}

// enter looks for this node's place through the seeds and all that are known.
func (r *ring) enter() {
	m := r.m
	if r.joining || m.closed {
		return
	}
	start := append(m.memory.contacts(), r.seeds...)
	if len(start) == 0 && len(m.index.list) == 0 {
		return
	}
	r.joining = true
	r.place(start, func(ways []*overlay.Contact) {
		if !m.server { // a client knows somebody now, which is all it needs
			r.entered(len(ways) > 0)
			return
		}
		r.joinThrough(ways, r.entered)
	})
}

// entered is called when an attempt to join has ended.
func (r *ring) entered(ok bool) {
	m := r.m
	r.joining = false
	if ok || m.closed {
		r.backoff = 0
		r.survey(len(r.seeds)-1, maxSurvey)
		return
	}
	const first, last = 2 * time.Second, 5 * time.Minute
	r.backoff = min(max(2*r.backoff, first), last)
	m.clock.Stop(r.retry)
	r.retry = m.after(m.jitter(r.backoff), r.enter)
}

// place looks up this node's own place from the given contacts and calls then
// with those that answered, the one nearest before it first.
func (r *ring) place(start []*overlay.Contact, then func(ways []*overlay.Contact)) {
	m := r.m
	m.find(m.point(m.self.ID, 1), selfPlace{then: then}, start, true)
}

// point is the question for n nodes from a place of the ring on.
func (m *Machine) point(at overlay.ID, n int) FindRequest {
	return FindRequest{Key: at[:], Point: true, N: n}
}

// selfPlace is the goal of a lookup of this node's own place.
type selfPlace struct{ then func(ways []*overlay.Contact) }

func (g selfPlace) over(l *lookup) {
	var ways []*overlay.Contact
	for _, c := range l.list {
		if c.state == replied {
			ways = append(ways, c.c)
		}
	}
	g.then(ways)
}

// outside reports whether this node is not in a ring, and on its way into one. A
// node that begins a ring is in it: it knows nobody, or nobody has answered.
func (r *ring) outside() bool { return len(r.succ) == 0 && (r.joining || r.retry.Pending()) }

// joinThrough joins through the first of these nodes that is in a ring. One that
// has no successor may have been started again a moment ago; only if none of them
// is in a ring they are all at the beginning of one, and it begins with the first.
func (r *ring) joinThrough(ways []*overlay.Contact, then func(ok bool)) {
	var try func(i int)
	try = func(i int) {
		if i == len(ways) {
			r.insert(ways[0], ways[:1], then)
			return
		}
		r.joinAfter(ways[i], maxWalk, func() { try(i + 1) }, then)
	}
	if len(ways) == 0 {
		then(false)
		return
	}
	try(0)
}

// maxWalk bounds the steps from the node that a lookup found to the one that is
// the predecessor by the time it is read.
const maxWalk = 32

// joinAfter is Zave's join: if this node's place is between before and its first
// successor, it takes over before's whole list, read at once. If not, before's
// predecessor or successor is tried. none is called instead of then if before is
// in no ring.
func (r *ring) joinAfter(before *overlay.Contact, walk int, none func(), then func(ok bool)) {
	m := r.m
	m.ask(before, &NeighboursRequest{}, func(msg Message, err error) {
		if err != nil || !m.server {
			then(false)
			return
		}
		a := msg.(*NeighboursAnswer)
		list := a.Successors
		if len(list) > 0 && list[0].ID == m.self.ID {
			list = list[1:] // it knows this node, if only from before a restart
		} else if len(list) > 0 && len(r.succ) > 0 && r.hurries() && between(before.ID, m.self.ID, list[0].ID) {
			m.ask(before, &PingRequest{Changed: true}, nil) // it should
		}
		switch {
		case len(list) == 0:
			none()
		case between(before.ID, m.self.ID, list[0].ID):
			r.insert(before, list, then)
		case walk > 0 && a.Predecessor != nil && between(a.Predecessor.ID, m.self.ID, before.ID) && m.admit(a.Predecessor) == nil:
			// before is our successor: the only seed may be, and then knows nobody else
			r.joinAfter(a.Predecessor, walk-1, func() { then(false) }, then)
		case walk > 0 && between(before.ID, list[0].ID, m.self.ID):
			r.joinAfter(list[0], walk-1, func() { then(false) }, then)
		default:
			then(false)
		}
	})
}

// insert takes a place in the ring. A node that has got one meanwhile, or had
// one all along, only takes a nearer live successor.
func (r *ring) insert(before *overlay.Contact, list []*overlay.Contact, then func(bool)) {
	m := r.m
	if len(r.succ) > 0 {
		y := list[0]
		if m.admit(y) != nil || !between(m.self.ID, y.ID, r.succ[0].ID) {
			then(true)
			return
		}
		r.adopt(y, func(bool) { then(true) })
		return
	}
	if r.pred == nil || between(r.pred.ID, before.ID, m.self.ID) {
		r.setPredecessor(before)
	}
	r.setSuccessors(list)
	r.stabilize()
	then(true)
}
