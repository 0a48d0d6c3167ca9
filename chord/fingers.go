package chord

import (
	"math"
	"time"

	"ringswap/overlay"
)

// fingers keeps one live contact in each interval of the ring: for every place
// of a base-2^b digit and every value d of it, the nodes at a distance from
// d*2^(b*place) up to the next such point (ToN, section IV-D, with b=1).
type fingers struct {
	m    *Machine
	next int           // the interval that is refreshed next, counted from the farthest
	laps int           // how often all intervals have been refreshed
	pace time.Duration // the mean time between two refreshes
}

// searchEvery is how often an interval is searched for a better finger: every so
// manieth time that it is refreshed. Otherwise its finger is only asked whether it
// lives, which is a sixth of the traffic; round trips change more slowly than nodes
// come and go. A dead one's place goes to the nearest of the cached nodes there that
// answers, up to maxRenewals of which are asked before the interval is searched; where
// many are dead, so are the cached ones, and it is searched at once.
const (
	searchEvery = 32
	maxRenewals = 4
)

// slowest is how many times as long as asked for it may be between two refreshes.
const slowest = 8

func (f *fingers) start() {
	m := f.m
	if f.pace = m.cfg.Fingers.Refresh; f.pace > 0 {
		m.after(m.jitter(f.pace), f.round)
	}
}

// round refreshes one finger.
func (f *fingers) round() {
	m := f.m
	m.after(m.jitter(f.pace), f.round)
	if len(m.index.list) == 0 || m.ring.joining {
		return
	}
	lo, width, ok := f.interval()
	if !ok {
		return
	}
	g := &fingerSearch{f: f, lo: lo, width: width}
	if m.cfg.Fingers.Candidates < 0 || (f.next+f.laps)%searchEvery == 0 {
		g.search()
		return
	}
	g.renew(maxRenewals)
}

// interval is the distance at which the next interval begins, and how long it is.
// Intervals that the successor list covers have no finger of their own.
func (f *fingers) interval() (lo, width overlay.ID, ok bool) {
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
		f.laps++
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

// fingerSearch is one refresh of an interval, and the goal of a lookup of its nodes.
type fingerSearch struct {
	f         *fingers
	lo, width overlay.ID
}

// renew asks the finger, or the best node for it that is known, whether it lives.
// If not, the next one is asked, up to so many; then the interval is searched.
func (g *fingerSearch) renew(tries int) {
	m := g.f.m
	c := g.known()
	if c == nil || tries == 0 {
		g.search()
		return
	}
	m.ask(c, &PingRequest{}, func(_ Message, err error) {
		switch {
		case m.closed:
		case err != nil: // it is out of the index by now
			if g.f.tune(false); g.f.pace > m.cfg.Fingers.Refresh {
				g.renew(tries - 1)
			} else {
				g.search()
			}
		default:
			g.f.tune(true)
			g.f.choose(g, c)
		}
	})
}

// tune takes into the pace whether a finger lived. It settles where two in seven are
// dead, which lookups hardly feel, and is no slower than an eighth of what is asked for.
func (f *fingers) tune(alive bool) {
	least := f.m.cfg.Fingers.Refresh
	if alive {
		f.pace = min(f.pace*9/8, slowest*least)
	} else {
		f.pace = max(f.pace*3/4, least)
	}
}

// known is the finger of the interval; if there is none, the nearest contact there.
func (g *fingerSearch) known() *overlay.Contact {
	x := &g.f.m.index
	from, to := x.stretch(g.lo, g.width)
	var best *entry
	for i := from; i < to; i++ {
		e := &x.list[i]
		if e.roles&finger != 0 {
			return e.c
		}
		if best == nil || e.rtt != 0 && (best.rtt == 0 || e.rtt < best.rtt) {
			best = e
		}
	}
	if best == nil {
		return nil
	}
	return best.c
}

// search looks up the nodes from distance lo on and makes the first of them, or
// the one with the least round trip of those in the interval, its finger.
func (g *fingerSearch) search() {
	m := g.f.m
	m.find(m.point(add(m.self.ID, g.lo), max(1, m.cfg.Fingers.Candidates)), g, nil, false)
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
	best := g.f.least(g.lo, g.width)
	for _, c := range l.trace().Closest {
		if c.ID == o.c.ID || m.admit(&c) != nil || !g.inside(c.ID) {
			continue
		}
		if e := m.index.find(c.ID); e != nil && e.rtt != 0 && e.rtt >= best {
			continue // it would lose
		}
		m.ask(&c, &PingRequest{}, func(_ Message, err error) {
			if err == nil {
				g.f.choose(g, &c)
			}
		})
	}
}

// least is the least known round trip to a finger of an interval, in an entry's
// units; the greatest there is if none is known.
func (f *fingers) least(lo, width overlay.ID) uint16 {
	best := uint16(math.MaxUint16)
	from, to := f.m.index.stretch(lo, width)
	for i := from; i < to; i++ {
		if e := &f.m.index.list[i]; e.roles&finger != 0 && e.rtt != 0 {
			best = min(best, e.rtt)
		}
	}
	return best
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
	inside := g.inside(c.ID)
	if !inside && m.cfg.Fingers.Candidates > 0 {
		return // the interval is empty; c is for its own interval to find
	}
	e := m.index.put(c)
	e.roles |= finger
	if e.seen == 0 {
		e.answered(m.now, 0)
	}
	if !inside {
		return
	}
	x := &m.index
	from, to := x.stretch(g.lo, g.width)
	best, _ := x.search(c.ID)
	for i := from; i < to; i++ {
		if e, b := &x.list[i], &x.list[best]; e.roles&finger != 0 && m.cfg.Fingers.Candidates > 0 && e.rtt != 0 && (b.rtt == 0 || e.rtt < b.rtt) {
			best = i
		}
	}
	for i := to - 1; i >= from; i-- {
		e := &x.list[i]
		if i == best || e.roles&finger == 0 {
			continue
		}
		if e.roles &^= finger; e.roles == 0 {
			x.delete(i)
			if i < best {
				best--
			}
		}
	}
}

// add is a+b modulo 2^256.
func add(a, b overlay.ID) overlay.ID { return a.Sub(overlay.ID{}.Sub(b)) }
