package kademlia

import (
	"time"

	"ringswap/overlay/alarm"
)

// outbox paces the messages that the machine sends by itself without a lookup,
// so that a new neighbour is not flooded with records.
type outbox struct {
	queue []func()
	alarm *alarm.Alarm
}

// maxOutbox bounds the outbox; what does not fit waits for the next
// republication.
const maxOutbox = 1 << 16

// post calls send when it is its turn.
func (o *outbox) post(m *Machine, send func()) {
	if m.closed || len(o.queue) >= maxOutbox {
		return
	}
	o.queue = append(o.queue, send)
	if o.alarm == nil {
		o.alarm = m.after(0, func() { o.flush(m) })
	}
}

// flush sends the next messages.
func (o *outbox) flush(m *Machine) {
	const pace = 100 * time.Millisecond
	n := min(len(o.queue), max(1, int(time.Duration(m.cfg.Limits.SendsPerSecond)*pace/time.Second)))
	for _, send := range o.queue[:n] {
		send()
	}
	clear(o.queue[:n])
	o.queue, o.alarm = o.queue[n:], nil
	if len(o.queue) == 0 {
		o.queue = nil
		return
	}
	o.alarm = m.after(pace, func() { o.flush(m) })
}
