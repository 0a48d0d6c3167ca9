// Package alarm is the clock of a protocol core that has none: the core sets
// alarms for the future, shows its owner when the next is due, and rings those
// whose time has come when its owner says what time it is. Start at [Clock].
package alarm

import (
	"math/rand/v2"
	"time"
)

// Clock is a heap of what is due when. Alarms that are due at the same time
// ring in the order in which they were set, so that a run depends on nothing but
// its events. The zero value is ready.
type Clock struct {
	now    time.Time
	next   time.Time // what Next returns, which is asked after every event
	base   time.Time // from which the times in the heap are counted
	heap   []due
	seq    uint64
	closed bool
}

// Advance says what time it is, and returns it. A clock never goes back: of an
// earlier time it takes no notice.
func (c *Clock) Advance(now time.Time) time.Time {
	if now.After(c.now) {
		c.now = now
	}
	return c.now
}

// Now is the time as last told.
func (c *Clock) Now() time.Time { return c.now }

// Alarm is one entry of a [Clock]; it can be stopped until it has rung.
type Alarm struct {
	at    time.Time
	index int // in the heap, -1 once out of it
	ring  func()
}

// At is when the alarm is or was due.
func (a *Alarm) At() time.Time { return a.at }

// Pending reports whether the alarm still is to ring. A nil one never is.
func (a *Alarm) Pending() bool { return a != nil && a.index >= 0 }

// Set makes an alarm that calls ring at the given time or soon after.
func (c *Clock) Set(at time.Time, ring func()) *Alarm {
	c.seq++
	a := &Alarm{at: at, index: -1, ring: ring}
	if c.closed {
		return a
	}
	if len(c.heap) == 0 {
		c.base = at
	}
	c.heap = append(c.heap, due{})
	c.up(len(c.heap)-1, due{at: at.Sub(c.base), seq: c.seq, alarm: a})
	c.look()
	return a
}

// After makes an alarm that calls ring when d has passed.
func (c *Clock) After(d time.Duration, ring func()) *Alarm { return c.Set(c.now.Add(d), ring) }

// Jitter is a random time between half of d and one and a half of it.
func Jitter(rng *rand.Rand, d time.Duration) time.Duration {
	return d/2 + time.Duration(rng.Int64N(int64(d)+1))
}

// Stop takes an alarm out; nil, one that has rung, and another clock's are fine.
func (c *Clock) Stop(a *Alarm) {
	if a.Pending() && a.index < len(c.heap) && c.heap[a.index].alarm == a {
		c.remove(a.index)
	}
}

// Ring rings every alarm whose time has come, the earliest first. One that is
// set meanwhile waits for the next call, so that a call always ends.
func (c *Clock) Ring() {
	last := c.seq
	for len(c.heap) > 0 {
		first := c.heap[0]
		if c.next.After(c.now) || first.seq > last {
			return
		}
		c.remove(0)
		first.alarm.ring()
	}
}

// Next is when the next alarm is due; the zero time means never.
func (c *Clock) Next() time.Time { return c.next }

// look sets next after the heap has changed.
func (c *Clock) look() {
	c.next = time.Time{}
	if len(c.heap) > 0 {
		c.next = c.base.Add(c.heap[0].at)
	}
}

// Len is the number of alarms that are to ring.
func (c *Clock) Len() int { return len(c.heap) }

// Close stops every alarm. One that is set from then on never rings.
func (c *Clock) Close() {
	for i := range c.heap {
		c.heap[i].alarm.index = -1
	}
	c.heap, c.next, c.closed = nil, time.Time{}, true
}

// due is an alarm's place in the heap. What orders it is here, so that alarms
// themselves, which are anywhere in memory, are not looked at.
type due struct {
	at    time.Duration // from the clock's base
	seq   uint64
	alarm *Alarm
}

func (d *due) before(o *due) bool { return d.at < o.at || d.at == o.at && d.seq < o.seq }

// up puts d at the i-th place, which is free, or as far above it as it belongs.
func (c *Clock) up(i int, d due) {
	for i > 0 {
		above := (i - 1) / 2
		if !d.before(&c.heap[above]) {
			break
		}
		c.put(i, c.heap[above])
		i = above
	}
	c.put(i, d)
}

// down puts d at the i-th place, which is free, or as far below it as it belongs.
func (c *Clock) down(i int, d due) {
	for {
		below := 2*i + 1
		if below >= len(c.heap) {
			break
		}
		if right := below + 1; right < len(c.heap) && c.heap[right].before(&c.heap[below]) {
			below = right
		}
		if !c.heap[below].before(&d) {
			break
		}
		c.put(i, c.heap[below])
		i = below
	}
	c.put(i, d)
}

func (c *Clock) put(i int, d due) { c.heap[i], d.alarm.index = d, i }

// remove takes the i-th alarm out.
func (c *Clock) remove(i int) {
	c.heap[i].alarm.index = -1
	last := len(c.heap) - 1
	d := c.heap[last]
	c.heap[last] = due{}
	c.heap = c.heap[:last]
	switch {
	case i == last:
	case i > 0 && d.before(&c.heap[(i-1)/2]):
		c.up(i, d)
	default:
		c.down(i, d)
	}
	c.look()
}
