package chord

import "ringswap/overlay"

// start begins an operation of the local user.
func (m *Machine) start(ev overlay.Start) {
	if !m.ops.Admit(ev.Op) {
		return
	}
	var err error
	switch q := ev.Query.(type) {
	case overlay.FindClosest:
		err = m.startClosest(ev.Op, q)
	case overlay.Provide:
		err = m.startProvide(ev.Op, q)
	case overlay.StopProviding:
		m.records.publisher.Remove(q.Key)
		m.ops.Fail(ev.Op, nil)
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
		m.ops.Fail(ev.Op, err)
	}
}

// keyError says why a key cannot be looked up.
func keyError(k overlay.Key) error {
	if n := len(k.Preimage()); n == 0 || n > MaxKey {
		return bad(ErrBounds, "a key of %d bytes", n)
	}
	return nil
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
	m.ops.Add(id, op)
	op.lookup = m.find(FindRequest{Key: pre, N: n}, op, nil, false)
	return nil
}

// over implements goal.
func (op *closestOp) over(l *lookup) {
	op.m.ops.Finish(op.id, overlay.Result{Path: l.trace()}, l.verdict())
}

// Stop implements [operation.Operation].
func (op *closestOp) Stop() overlay.Result {
	if op.lookup == nil {
		return overlay.Result{}
	}
	op.lookup.stop()
	return overlay.Result{Path: op.lookup.trace()}
}
