package chord

import (
	"slices"

	"ringswap/overlay"
)

// RingMonitor says after every event of a run what [CheckRing] and
// [CheckProgress] would say of all members' states, at a cost that depends on
// what the event changed: nearly nothing if it changed no list, and the lists
// that touch the place where it did otherwise. It is for simulators.
//
// What is kept of each member depends on few others: whether its list is in order
// on itself alone; its first live successor on whether those in its list are
// members; whether it is a principal on the number of adjacent pairs, over
// all lists, that skip it. Only the shape of the ring is walked anew, when
// somebody's first live successor has become another.
type RingMonitor struct {
	members []*monitored // in the order of the ring
	byID    map[overlay.ID]*monitored
	// naming are the members in whose lists an ID is, whether that is a member or
	// not.
	naming map[overlay.ID][]*monitored

	disordered int // members whose lists are out of order or too long
	lonely     int // members without a live successor
	empty      int // those of them without any successor
	principals int
	astray     int // members that are not as in the ideal ring
	walked     bool
	oneRing    bool
	based      bool
	// witness is somebody whom an operation would change; nil if nobody is known.
	witness *monitored
}

// monitored is what is kept of one member.
type monitored struct {
	s     State
	at    int        // index in members
	best  *monitored // first live successor
	skips int        // pairs that skip this member
	walk  int        // in which it was met, from 1

	disordered, astray bool
}

// NewRingMonitor makes one without members.
func NewRingMonitor() *RingMonitor {
	return &RingMonitor{
		byID: make(map[overlay.ID]*monitored), naming: make(map[overlay.ID][]*monitored), walked: true, oneRing: true,
	}
}

// Len is the number of members.
func (k *RingMonitor) Len() int { return len(k.members) }

// Ideal reports what [Ideal] would.
func (k *RingMonitor) Ideal() bool { return k.astray == 0 }

// States are those of all members in the order of the ring. They belong to the
// monitor.
func (k *RingMonitor) States() []State {
	out := make([]State, len(k.members))
	for i, m := range k.members {
		out[i] = m.s
	}
	return out
}

// State is that of a member, nil if id is none. It belongs to the monitor.
func (k *RingMonitor) State(id overlay.ID) *State {
	if m := k.byID[id]; m != nil {
		return &m.s
	}
	return nil
}

// Set takes in the state of one node; whoever is not a member is forgotten. s is
// copied. It reports whether anything is different now.
func (k *RingMonitor) Set(s *State) bool {
	m := k.byID[s.Self]
	switch {
	case !s.Member:
		return k.Remove(s.Self)
	case m == nil:
		k.enter(s)
	case m.s.equal(s):
		return false
	default:
		k.change(m, s)
	}
	k.prove()
	return true
}

func (s *State) equal(o *State) bool {
	return s.Self == o.Self && s.Predecessor == o.Predecessor && s.HasPredecessor == o.HasPredecessor && s.R == o.R &&
		s.Member == o.Member && slices.Equal(s.Successors, o.Successors)
}

// enter makes a node a member.
func (k *RingMonitor) enter(s *State) {
	m := &monitored{}
	at, _ := k.search(s.Self)
	k.members = slices.Insert(k.members, at, m)
	k.byID[s.Self] = m
	m.s.Self = s.Self
	for i := at; i < len(k.members); i++ {
		k.members[i].at = i
	}
	for _, x := range k.members {
		if x != m {
			x.pairs(func(a, b overlay.ID) {
				if between(a, s.Self, b) {
					m.skips++
				}
			})
		}
	}
	if m.skips == 0 {
		k.principals++
	}
	k.lonely, k.empty = k.lonely+1, k.empty+1 // until its list is taken in
	k.change(m, s)
	k.turned(s.Self)
}

// Remove forgets a member, and reports whether id was one.
func (k *RingMonitor) Remove(id overlay.ID) bool {
	m := k.byID[id]
	if m == nil {
		return false
	}
	k.change(m, &State{Self: id, R: m.s.R})
	if m.skips == 0 {
		k.principals--
	}
	k.members = slices.Delete(k.members, m.at, m.at+1)
	delete(k.byID, id)
	for i := m.at; i < len(k.members); i++ {
		k.members[i].at = i
	}
	if m.astray {
		k.astray--
	}
	k.lonely, k.empty = k.lonely-1, k.empty-1
	if k.witness == m {
		k.witness = nil
	}
	k.turned(id)
	k.prove()
	return true
}

// turned is called when id became a member, or ceased to be one.
func (k *RingMonitor) turned(id overlay.ID) {
	for _, x := range k.naming[id] {
		k.point(x)
	}
	k.walked = false
	for _, x := range k.members { // the ideal is another one now
		k.compare(x)
	}
}

// change gives a member another state.
func (k *RingMonitor) change(m *monitored, s *State) {
	moved := !slices.Equal(m.s.Successors, s.Successors)
	if moved {
		k.skip(m, -1)
		for _, id := range m.s.Successors {
			k.unname(id, m)
		}
	}
	was := len(m.s.Successors) == 0
	list := m.s.Successors[:0]
	list = append(list, s.Successors...)
	m.s = *s
	m.s.Successors = list
	if moved {
		k.skip(m, +1)
		if empty := len(list) == 0; empty != was {
			k.empty += count(empty)
			k.walked = false
		}
		for _, id := range list {
			if l := k.naming[id]; !slices.Contains(l, m) {
				k.naming[id] = append(l, m)
			}
		}
	}
	if bad := m.s.checkList() != nil; bad != m.disordered {
		m.disordered = bad
		k.disordered += count(bad)
	}
	k.point(m)
	k.compare(m)
}

// count is +1 for what has come to hold and -1 for what no longer does.
func count(holds bool) int {
	if holds {
		return +1
	}
	return -1
}

func (k *RingMonitor) unname(id overlay.ID, m *monitored) {
	l := k.naming[id]
	if i := slices.Index(l, m); i >= 0 {
		l = slices.Delete(l, i, i+1)
	}
	if len(l) == 0 {
		delete(k.naming, id)
		return
	}
	k.naming[id] = l
}

// pairs calls f for the adjacent pairs of the member's list, itself in front.
func (m *monitored) pairs(f func(a, b overlay.ID)) {
	last := m.s.Self
	for _, id := range m.s.Successors {
		f(last, id)
		last = id
	}
}

// skip adds n to the count of everyone whom the member's list skips.
func (k *RingMonitor) skip(m *monitored, n int) {
	m.pairs(func(a, b overlay.ID) {
		for i, left := k.after(a), len(k.members); left > 0 && between(a, k.members[i].s.Self, b); left-- {
			x := k.members[i]
			was := x.skips == 0
			x.skips += n
			if is := x.skips == 0; is != was {
				k.principals += count(is)
			}
			i = (i + 1) % len(k.members)
		}
	})
}

// point finds the member's first live successor.
func (k *RingMonitor) point(m *monitored) {
	var best *monitored
	for _, id := range m.s.Successors {
		if best = k.byID[id]; best != nil {
			break
		}
	}
	if best == m.best {
		return
	}
	if best == nil || m.best == nil {
		k.lonely += count(best == nil)
	}
	m.best = best
	k.walked = false
}

// compare finds out whether a member is as in the ideal ring.
func (k *RingMonitor) compare(m *monitored) {
	if astray := !k.ideal(m); astray != m.astray {
		m.astray = astray
		k.astray += count(astray)
	}
}

func (k *RingMonitor) ideal(m *monitored) bool {
	n := len(k.members)
	if len(m.s.Successors) != min(m.s.R, n-1) || n > 1 && (!m.s.HasPredecessor || m.s.Predecessor != k.members[(m.at+n-1)%n].s.Self) {
		return false
	}
	for i, id := range m.s.Successors {
		if id != k.members[(m.at+1+i)%n].s.Self {
			return false
		}
	}
	return true
}

func (k *RingMonitor) search(id overlay.ID) (int, bool) {
	return slices.BinarySearchFunc(k.members, id, func(m *monitored, id overlay.ID) int { return m.s.Self.Compare(id) })
}

// after is the place of the first member after id.
func (k *RingMonitor) after(id overlay.ID) int {
	i, ok := k.search(id)
	if ok {
		i++
	}
	return i % len(k.members)
}

// Owner is the first member at or after a key. There has to be one.
func (k *RingMonitor) Owner(key overlay.ID) overlay.ID {
	i, _ := k.search(key)
	return k.members[i%len(k.members)].s.Self
}
