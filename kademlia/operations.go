package kademlia

import (
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
)

// operation is a running Start.
type operation interface {
	// stop ends it early and returns what it has so far.
	stop() overlay.Result
}

// start begins an operation of the local user.
func (m *Machine) start(ev overlay.Start) {
	fail := func(err error) { m.emit(overlay.Done{Op: ev.Op, Err: err}) }
	switch {
	case m.closed:
		fail(overlay.ErrClosed)
		return
	case m.ops[ev.Op] != nil:
		return // the owner broke its promise; the first one goes on
	case len(m.ops) >= m.cfg.Limits.Operations:
		fail(overlay.ErrRefused)
		return
	}
	var err error
	switch q := ev.Query.(type) {
	case overlay.FindClosest:
		err = startClosest(m, ev.Op, q)
	case overlay.Provide:
		err = startProvide(m, ev.Op, q)
	case overlay.StopProviding:
		m.publisher.stop(q.Key)
		m.emit(overlay.Done{Op: ev.Op})
	case overlay.FindProviders:
		err = startSearch(m, ev.Op, q)
	case overlay.PutValue:
		err = startPut(m, ev.Op, q)
	case overlay.GetValue:
		err = startGet(m, ev.Op, q)
	default:
		err = bad("unknown query %T", q)
	}
	if err != nil {
		fail(err)
	}
}

// register makes a started operation known until finish.
func (m *Machine) register(id overlay.OpID, op operation) {
	if m.ops == nil {
		m.ops = make(map[overlay.OpID]operation)
	}
	m.ops[id] = op
}

// finish says that an operation has come to its end.
func (m *Machine) finish(id overlay.OpID, res overlay.Result, err error) {
	if m.ops[id] != nil {
		delete(m.ops, id)
		m.emit(overlay.Done{Op: id, Result: res, Err: err})
	}
}

// interrupt ends an operation early, with what it has so far. One that has ended
// is ignored.
func (m *Machine) interrupt(id overlay.OpID, err error) {
	if op := m.ops[id]; op != nil {
		m.finish(id, op.stop(), err)
	}
}

// keyError says why a key cannot be looked up.
func keyError(k overlay.Key, limit int) error {
	if n := len(k.Preimage()); n == 0 || n > limit {
		return bad("a key of %d bytes", n)
	}
	return nil
}

// closestOp is a FindClosest.
type closestOp struct {
	m      *Machine
	id     overlay.OpID
	n      int
	lookup *lookup
}

func startClosest(m *Machine, id overlay.OpID, q overlay.FindClosest) error {
	if err := keyError(q.Key, MaxKey); err != nil {
		return err
	}
	n := q.N
	if n <= 0 {
		n = m.cfg.K
	}
	op := &closestOp{m: m, id: id, n: n}
	m.register(id, op)
	op.lookup = m.find(q.Key, FindNode, op, wants{})
	return nil
}

func (op *closestOp) took(*lookup, *candidate, *Message) bool { return false }

func (op *closestOp) over(l *lookup) {
	op.m.finish(op.id, overlay.Result{Path: l.trace(op.n)}, l.verdict())
}

func (op *closestOp) stop() overlay.Result { return partial(op.lookup, op.n) }

// partial stops a lookup, which may be nil, and returns its path so far.
func partial(l *lookup, n int) overlay.Result {
	if l == nil {
		return overlay.Result{}
	}
	l.stop()
	return overlay.Result{Path: l.trace(n)}
}

// verdict is the error of an ended lookup: nil if anyone answered.
func (l *lookup) verdict() error {
	for i := range l.steps {
		if l.steps[i].Err == nil {
			return nil
		}
	}
	if len(l.steps) == 0 {
		return overlay.ErrNoPeers
	}
	return overlay.ErrTimeout
}

// background runs what the machine does by itself, a few lookups at a time.
type background struct {
	running int
	queue   []func(done func())
}

// do runs the task now or when others are done. The task must call done once.
func (b *background) do(m *Machine, task func(done func())) {
	if !m.closed {
		b.queue = append(b.queue, task)
		b.next(m.cfg.Limits.Background)
	}
}

func (b *background) next(limit int) {
	for b.running < limit && len(b.queue) > 0 {
		task := b.queue[0]
		b.queue[0] = nil
		b.queue = b.queue[1:]
		if len(b.queue) == 0 {
			b.queue = nil
		}
		b.running++
		task(func() {
			b.running--
			b.next(limit)
		})
	}
}

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
