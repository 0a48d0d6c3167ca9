package chord

import (
	"ringswap/overlay"
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
		fail(refused(ErrLimit))
		return
	}
	var err error
	switch q := ev.Query.(type) {
	case overlay.FindClosest:
		err = m.startClosest(ev.Op, q)
	case overlay.Provide:
		err = m.startProvide(ev.Op, q)
	case overlay.StopProviding:
		m.records.publisher.stop(q.Key)
		m.emit(overlay.Done{Op: ev.Op})
	case overlay.FindProviders:
		err = m.startSearch(ev.Op, q)
	case overlay.PutValue:
		err = m.startPut(ev.Op, q)
	case overlay.GetValue:
		err = m.startGet(ev.Op, q)
	default:
		err = refused(ErrUnknownMessage)
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

// closestOp is a FindClosest.
type closestOp struct {
	m      *Machine
	id     overlay.OpID
	lookup *lookup
}

func (m *Machine) startClosest(id overlay.OpID, q overlay.FindClosest) error {
	pre := q.Key.Preimage()
	n := q.N
	if n <= 0 {
		n = m.cfg.Copies
	}
	if len(pre) == 0 || len(pre) > MaxKey || n > MaxContacts {
		return bad(ErrBounds, "a key of %d bytes, %d nodes wanted", len(pre), n)
	}
	op := &closestOp{m: m, id: id}
	m.register(id, op)
	op.lookup = m.find(FindRequest{Key: pre, N: n}, op, nil, false)
	return nil
}

func (op *closestOp) over(l *lookup) {
	op.m.finish(op.id, overlay.Result{Path: l.trace()}, l.verdict())
}

func (op *closestOp) stop() overlay.Result {
	if op.lookup == nil {
		return overlay.Result{}
	}
	op.lookup.stop()
	return overlay.Result{Path: op.lookup.trace()}
}
