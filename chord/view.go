package chord

import (
	"math/bits"
	"time"

	"ringswap/overlay"
)

// View is a picture of a machine's state, for people and tests. It shares no
// memory that the machine writes to.
type View struct {
	Self        overlay.Contact
	Server      bool
	Predecessor *overlay.Contact // nil if there is none
	// PredecessorSeen and PredecessorTrip are to it what Seen and RoundTrip are to
	// the others.
	PredecessorSeen time.Time
	PredecessorTrip time.Duration
	Successors      []ContactView // the nearest first
	Fingers         []ContactView // the nearest first; successors are not repeated
	// Cached is the number of contacts that are neither; Entries that of all.
	Cached, Entries int
	// Provided is the number of keys that this node announces; Keys, Records and
	// Values are what it keeps for others.
	Provided, Keys, Records, Values int
	// Remembered is the number of nodes that fell silent and may come back.
	Remembered int
	// Sent counts all requests sent, Failed those that got no answer.
	Sent, Failed uint64
	// Refused counts the messages that broke the protocol or a limit, by the
	// reason's text (errors.go). Reasons that did not occur are left out.
	Refused map[string]uint64
	// RoundTrip is the smoothed time that answers take; 0 before the first.
	RoundTrip time.Duration
}

// ContactView is one contact of the ring or the routing table.
type ContactView struct {
	Contact overlay.Contact
	// Seen is the last sign of life, to the second; zero: by hearsay only.
	Seen time.Time
	// RoundTrip is the latest one, to 0.1 ms; 0 if unknown.
	RoundTrip time.Duration
}

func (e *entry) view() ContactView {
	v := ContactView{Contact: *e.c, RoundTrip: e.roundTrip()}
	if e.seen > 0 {
		v.Seen = time.Unix(int64(e.seen), 0)
	}
	return v
}

// View makes a picture of the machine.
func (m *Machine) View() View {
	v := View{
		Self: *m.self, Server: m.server, Entries: len(m.index.list), Remembered: len(m.memory.list),
		Provided: m.records.publisher.Len(), Keys: m.records.providers.Len(),
		Records: m.records.providers.Records(), Values: m.records.values.Len(),
		Sent: m.requests.sent, Failed: m.requests.failed, RoundTrip: m.requests.trip.Smoothed(),
		Refused: make(map[string]uint64),
	}
	if p := m.ring.pred; p != nil {
		copied := *p
		v.Predecessor, v.PredecessorSeen = &copied, m.ring.predSeen
		if e := m.index.find(p.ID); e != nil {
			seen := e.view()
			v.PredecessorTrip = seen.RoundTrip
			if seen.Seen.After(v.PredecessorSeen) {
				v.PredecessorSeen = seen.Seen
			}
		}
	}
	for i := range m.index.list {
		e := &m.index.list[i]
		switch {
		case e.roles&successor != 0:
			v.Successors = append(v.Successors, e.view())
		case e.roles&finger != 0:
			v.Fingers = append(v.Fingers, e.view())
		default:
			v.Cached++
		}
	}
	for i, n := range m.refused {
		if n > 0 {
			v.Refused[reasons[i].Error()] = n
		}
	}
	return v
}

// Contacts are the contacts that answered some time, nearest first: what is worth
// remembering for the next start, as seeds.
func (m *Machine) Contacts() []overlay.Contact {
	var out []overlay.Contact
	for i := range m.index.list {
		if e := &m.index.list[i]; e.seen > 0 {
			out = append(out, *e.c)
		}
	}
	return out
}

// Size is the number of contacts that the machine routes by.
func (m *Machine) Size() int { return len(m.index.list) }

// Table is what a machine of a simulator begins with. Contacts are shared and
// must not change.
type Table struct {
	Predecessor *overlay.Contact
	// Successors in ring order, the nearest first.
	Successors []*overlay.Contact
	// Fingers and Cache in any order; it is quickest if each is sorted by the
	// distance clockwise from the machine's node.
	Fingers, Cache []*overlay.Contact
	// RoundTrip is that to a contact of the table as it was measured, 0 if it was
	// not; nil if none was.
	RoundTrip func(*overlay.Contact) time.Duration
}

// Preload makes the table the machine's own as if everyone in it had just
// answered. It is for simulators that build a large network at once, and comes
// before the first Step. It returns the number of entries.
func (m *Machine) Preload(now time.Time, t Table) int {
	m.now = m.clock.Advance(now)
	size := len(t.Successors) + len(t.Fingers) + len(t.Cache)
	m.index = index{self: m.self.ID, list: make([]entry, 0, size), dist: make([]uint64, 0, size)}
	seen := uint32(now.Unix())
	m.load(t.Successors, successor, seen)
	m.load(t.Cache, cached, seen) // most of them, so that they are only appended
	m.load(t.Fingers, finger, seen)
	if t.RoundTrip != nil {
		for i := range m.index.list {
			e := &m.index.list[i]
			e.answered(now, t.RoundTrip(e.c))
		}
	}
	m.ring.succ = t.Successors
	m.ring.pred, m.ring.predSeen = t.Predecessor, now
	return len(m.index.list)
}

// load merges one list into the index. What follows the last entry, as in a
// sorted list, is only appended.
func (m *Machine) load(list []*overlay.Contact, r role, seen uint32) {
	x := &m.index
	counted := len(x.list)
	for _, c := range list {
		d := head(c.ID.Sub(x.self))
		if n := len(x.list); n == 0 || x.dist[n-1] < d {
			x.list, x.dist = append(x.list, entry{c: c, seen: seen, roles: r}), append(x.dist, d)
			continue
		}
		x.count(counted)
		p := x.put(c)
		p.roles |= r
		p.seen = seen
		counted = len(x.list)
	}
	x.count(counted)
}

// Member reports whether this node is in a ring with others: it has joined, and
// not left.
func (m *Machine) Member() bool {
	return m.server && !m.closed && len(m.ring.succ) > 0
}

// State is what the checks of a ring want to know of a machine.
func (m *Machine) State() State {
	var s State
	m.ReadState(&s)
	return s
}

// ReadState is State in memory that is used again.
func (m *Machine) ReadState(s *State) {
	list := s.Successors[:0]
	for _, c := range m.ring.succ {
		list = append(list, c.ID)
	}
	*s = State{
		Self: m.self.ID, R: m.cfg.Ring.Successors, Successors: list, Member: m.Member(),
	}
	if m.ring.pred != nil {
		s.Predecessor, s.HasPredecessor = m.ring.pred.ID, true
	}
}

// CheckInvariants returns an error that names the first promise about the
// machine's own state that does not hold.
func (m *Machine) CheckInvariants() error {
	var last overlay.ID
	inList := 0
	if len(m.index.dist) != len(m.index.list) {
		return bad(ErrBounds, "%d distances of %d index entries", len(m.index.dist), len(m.index.list))
	}
	for i := range m.index.list {
		e := &m.index.list[i]
		d := e.c.ID.Sub(m.self.ID)
		switch {
		case d.Compare(last) <= 0:
			return bad(ErrDisorder, "index entry %d", i)
		case m.index.dist[i] != head(d):
			return bad(ErrDisorder, "index entry %d has another distance", i)
		case e.roles == 0:
			return bad(ErrBounds, "index entry %d is there for no reason", i)
		case int(m.index.within[bits.Len64(m.index.dist[i])]) <= i:
			return bad(ErrBounds, "index entry %d is beyond the nodes within its distance", i)
		}
		if last = d; e.roles&successor != 0 {
			if inList >= len(m.ring.succ) || m.ring.succ[inList].ID != e.c.ID {
				return bad(ErrDisorder, "index and successor list differ at %d", inList)
			}
			inList++
		}
	}
	switch r := &m.ring; {
	case inList != len(r.succ):
		return bad(ErrDisorder, "%d of %d successors are in the index", inList, len(r.succ))
	case len(r.succ) > m.cfg.Ring.Successors:
		return bad(ErrBounds, "%d successors", len(r.succ))
	case !m.server && (len(r.succ) > 0 || r.pred != nil):
		return bad(ErrClient, "a client with neighbours")
	case r.pred != nil && r.pred.ID == m.self.ID:
		return bad(ErrForged, "the node is its own predecessor")
	case len(m.memory.list) > max(0, m.cfg.Ring.Remember):
		return bad(ErrBounds, "%d remembered nodes", len(m.memory.list))
	}
	return m.records.check()
}
