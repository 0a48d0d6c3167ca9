// Package alarm is the clock of a protocol core that has none: the core sets
// alarms for the future, shows its owner when the next is due, and rings those
// whose time has come when its owner says what time it is. Start at [Clock].
package alarm

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// Clock is a heap of what is due when. Alarms that are due at the same time
// ring in the order in which they were set, so that a run depends on nothing but
// its events. The zero value is ready.
type Clock struct {
	now    time.Time
	next   time.Time // what Next returns, which is asked after every event
	heap   alarms
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
	seq   uint64
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
	a := &Alarm{at: at, seq: c.seq, index: -1, ring: ring}
	if !c.closed {
		heap.Push(&c.heap, a)
		c.look()
	}
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
	if a.Pending() && a.index < len(c.heap) && c.heap[a.index] == a {
		heap.Remove(&c.heap, a.index)
		c.look()
	}
}

// Ring rings every alarm whose time has come, the earliest first. One that is
// set meanwhile waits for the next call, so that a call always ends.
func (c *Clock) Ring() {
	last := c.seq
	for len(c.heap) > 0 {
		a := c.heap[0]
		if a.at.After(c.now) || a.seq > last {
			return
		}
		heap.Pop(&c.heap)
		c.look()
		a.ring()
	}
}

// Next is when the next alarm is due; the zero time means never.
func (c *Clock) Next() time.Time { return c.next }

// look sets next after the heap has changed.
func (c *Clock) look() {
	c.next = time.Time{}
	if len(c.heap) > 0 {
		c.next = c.heap[0].at
	}
}

// Len is the number of alarms that are to ring.
func (c *Clock) Len() int { return len(c.heap) }

// Close stops every alarm. One that is set from then on never rings.
func (c *Clock) Close() {
	for _, a := range c.heap {
		a.index = -1
	}
	c.heap, c.next, c.closed = nil, time.Time{}, true
}

type alarms []*Alarm

func (h alarms) Len() int { return len(h) }
func (h alarms) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].seq < h[j].seq
}

func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *alarms) Push(x any) {
	a := x.(*Alarm)
	a.index = len(*h)
	*h = append(*h, a)
}

func (h *alarms) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	a.index = -1
	return a
}
