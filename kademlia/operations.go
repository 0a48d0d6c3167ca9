package kademlia

import "ringswap/overlay"

// start begins an operation of the local user.
func (m *Machine) start(ev overlay.Start) {
	if !m.ops.Admit(ev.Op) {
		return
	}
	var err error
	switch q := ev.Query.(type) {
	case overlay.FindClosest:
		err = startClosest(m, ev.Op, q)
	case overlay.Provide:
		err = startProvide(m, ev.Op, q)
	case overlay.StopProviding:
		m.publisher.Remove(q.Key)
		m.ops.Fail(ev.Op, nil)
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
		m.ops.Fail(ev.Op, err)
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
	m.ops.Add(id, op)
	op.lookup = m.find(q.Key, FindNode, op, wants{})
	return nil
}

func (op *closestOp) took(*lookup, *candidate, *Message) bool { return false }

func (op *closestOp) over(l *lookup) {
	op.m.ops.Finish(op.id, overlay.Result{Path: l.trace(op.n)}, l.verdict())
}

// Stop implements [operation.Operation].
func (op *closestOp) Stop() overlay.Result { return partial(op.lookup, op.n) }

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
