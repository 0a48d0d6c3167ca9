package kademlia

import (
	"container/heap"
	"time"
)

// timers is the machine's alarm clock: a heap of what is due when. Alarms that
// are due at the same time ring in the order in which they were set.
type timers struct {
	heap alarms
	seq  uint64
}

// alarm is one entry; it can be stopped until it has rung.
type alarm struct {
	at    time.Time
	seq   uint64
	index int // in the heap, -1 once out of it
	ring  func()
}

// set makes an alarm that calls ring at the given time or soon after.
func (t *timers) set(at time.Time, ring func()) *alarm {
	t.seq++
	a := &alarm{at: at, seq: t.seq, ring: ring}
	heap.Push(&t.heap, a)
	return a
}

// stop takes an alarm out; nil, one that has rung, and another clock's are fine.
func (t *timers) stop(a *alarm) {
	if a != nil && a.index >= 0 && a.index < len(t.heap) && t.heap[a.index] == a {
		heap.Remove(&t.heap, a.index)
	}
}

// due takes out the next alarm whose time has come, or returns nil.
func (t *timers) due(now time.Time) *alarm {
	if len(t.heap) == 0 || t.heap[0].at.After(now) {
		return nil
	}
	return heap.Pop(&t.heap).(*alarm)
}

// next is when the next alarm is due; the zero time means never.
func (t *timers) next() time.Time {
	if len(t.heap) == 0 {
		return time.Time{}
	}
	return t.heap[0].at
}

type alarms []*alarm

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
	a := x.(*alarm)
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
