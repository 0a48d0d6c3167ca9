package chord

import (
	"ringswap/overlay"
)

// fingers keeps one live contact in each interval of the ring: for every place
// of a base-2^b digit and every value d of it, the nodes at a distance from
// d*2^(b*place) up to the next such point (ToN, section IV-D, with b=1).
type fingers struct {
	m    *Machine
	next int // the interval that is refreshed next, counted from the farthest
}

func (f *fingers) start() {
	m := f.m
	if m.cfg.Fingers.Refresh > 0 {
		m.after(m.jitter(m.cfg.Fingers.Refresh), f.round)
	}
}

// round refreshes one finger.
func (f *fingers) round() {
	m := f.m
	m.after(m.jitter(m.cfg.Fingers.Refresh), f.round)
	if len(m.index.list) == 0 || m.ring.joining {
		return
	}
	if lo, width, ok := f.turn(); ok {
		f.refresh(lo, width)
	}
}

// turn is the distance at which the next interval begins, and how long it is. Intervals that the
// successor list covers have no finger of their own.
func (f *fingers) turn() (lo, width overlay.ID, ok bool) {
	m := f.m
	b := m.cfg.Fingers.Bits
	per := 1<<b - 1
	var covered overlay.ID
	if n := len(m.ring.succ); n > 0 {
		covered = m.ring.succ[n-1].ID.Sub(m.self.ID)
	}
	for range 2 {
		place, digit := f.next/per, per-f.next%per
		lo, ok := powerOf(b, place, digit)
		if ok && lo.Compare(covered) > 0 {
			f.next++
			width, _ = powerOf(b, place, 1)
			return lo, width, true
		}
		f.next = 0 // once around: begin with the farthest again
	}
	return lo, width, false
}

// powerOf is digit * 2^(256-b*(place+1)): false if that is not in the keyspace.
func powerOf(b, place, digit int) (overlay.ID, bool) {
	shift := 8*overlay.IDBytes - b*(place+1)
	var d overlay.ID
	if shift < 0 {
		return d, false
	}
	for i := range b {
		if digit>>i&1 != 0 {
			bit := shift + i
			d[overlay.IDBytes-1-bit/8] |= 1 << (bit % 8)
		}
	}
	return d, true
}

// refresh looks up the nodes from distance lo on and makes the first of them, or
// the one with the least round trip of those in the interval, its finger.
func (f *fingers) refresh(lo, width overlay.ID) {
	m := f.m
	m.find(m.point(add(m.self.ID, lo), max(1, m.cfg.Fingers.Candidates)), &fingerSearch{f: f, lo: lo, width: width}, nil, false)
}

// fingerSearch is the goal of a lookup of the nodes of an interval.
type fingerSearch struct {
	f         *fingers
	lo, width overlay.ID
}

func (g *fingerSearch) over(l *lookup) {
	m := g.f.m
	o := l.owner()
	if o == nil || m.admit(o.c) != nil {
		return
	}
	g.f.choose(g, o.c)
	if m.cfg.Fingers.Candidates < 0 {
		return
	}
	for _, c := range l.trace().Closest {
		if c.ID == o.c.ID || m.admit(&c) != nil || !g.inside(c.ID) {
			continue
		}
		m.ask(&c, &PingRequest{}, func(_ Message, err error) {
			if err == nil {
				g.f.choose(g, &c)
			}
		})
	}
}

// inside reports whether a node is in the interval.
func (g *fingerSearch) inside(id overlay.ID) bool {
	d := id.Sub(g.f.m.self.ID)
	return d.Compare(g.lo) >= 0 && d.Sub(g.lo).Compare(g.width) < 0
}

// choose makes c, which just answered, the finger of its interval unless there
// is one whose round trip is less.
func (f *fingers) choose(g *fingerSearch, c *overlay.Contact) {
	m := f.m
	e := m.index.put(c)
	e.roles |= finger
	if e.seen == 0 {
		e.answered(m.now, 0)
	}
	if !g.inside(c.ID) {
		return
	}
	i, _ := m.index.search(add(m.self.ID, g.lo))
	best := c.ID
	first := i
	for ; i < len(m.index.list) && g.inside(m.index.list[i].c.ID); i++ {
		x := &m.index.list[i]
		if b := m.index.find(best); x.roles&finger != 0 && m.cfg.Fingers.Candidates > 0 && x.rtt != 0 && (b.rtt == 0 || x.rtt < b.rtt) {
			best = x.c.ID
		}
	}
	for i--; i >= first; i-- {
		x := &m.index.list[i]
		if x.c.ID != best {
			if x.roles &^= finger; x.roles == 0 {
				m.index.remove(x.c.ID)
			}
		}
	}
}

// add is a+b modulo 2^256.
func add(a, b overlay.ID) overlay.ID { return a.Sub(overlay.ID{}.Sub(b)) }
