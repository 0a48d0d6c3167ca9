package chord

import (
	"bytes"
	"fmt"

	"ringswap/overlay"
)

// startPut begins a PutValue.
func (m *Machine) startPut(id overlay.OpID, q overlay.PutValue) error {
	if err := keyError(q.Key); err != nil {
		return err
	}
	if len(q.Value) == 0 || len(q.Value) > MaxValue {
		return bad(ErrBounds, "a value of %d bytes", len(q.Value))
	}
	if err := m.cfg.Records.Validator.Validate(q.Key.Preimage(), q.Value); err != nil {
		return fmt.Errorf("chord: value of %s: %w", q.Key.ID().Short(), err)
	}
	published := m.now
	v := &ValueRecord{Key: q.Key.Preimage(), Value: bytes.Clone(q.Value)}
	op := &recordOp{}
	m.ops.Add(id, op)
	op.delivery = m.deliver(q.Key, func(*overlay.Contact) Message {
		sent := *v
		sent.Age = m.now.Sub(published)
		return &PutValueRequest{Value: &sent}
	}, func(res overlay.Result, err error) {
		for i := range res.Path.Closest {
			if res.Path.Closest[i].Peer != m.self.Peer {
				continue
			}
			if _, failed := m.records.keep(q.Key, v); failed != nil {
				if res.Stored--; res.Stored == 0 {
					err = failed
				}
			}
		}
		m.ops.Finish(id, res, err)
	})
	return nil
}

// getOp is a GetValue: it compares what all the responsible nodes have, and gives
// the best to those that lack it.
type getOp struct {
	m       *Machine
	id      overlay.OpID
	key     overlay.Key
	lookup  *lookup
	path    overlay.Path
	waiting int
	best    *ValueRecord
	asked   []*overlay.Contact
	got     []*ValueRecord // of each that was asked; nil for none
	silent  []bool
}

func (m *Machine) startGet(id overlay.OpID, q overlay.GetValue) error {
	if err := keyError(q.Key); err != nil {
		return err
	}
	op := &getOp{m: m, id: id, key: q.Key, best: m.records.recordOf(q.Key.ID())}
	m.ops.Add(id, op)
	op.lookup = m.find(FindRequest{Key: q.Key.Preimage(), N: m.cfg.Copies}, op, nil, false)
	return nil
}

// over implements goal.
func (op *getOp) over(l *lookup) {
	m := op.m
	op.path = l.trace()
	if err := l.verdict(); err != nil {
		op.end(err)
		return
	}
	for i := range op.path.Closest {
		if c := &op.path.Closest[i]; c.Peer != m.self.Peer {
			op.asked = append(op.asked, c)
		}
	}
	op.waiting = len(op.asked)
	op.got, op.silent = make([]*ValueRecord, op.waiting), make([]bool, op.waiting)
	for i, c := range op.asked {
		m.ask(c, &GetValueRequest{Key: op.key.Preimage()}, func(msg Message, err error) { op.took(i, msg, err) })
	}
	if op.waiting == 0 {
		op.end(nil)
	}
}

func (op *getOp) took(i int, msg Message, err error) {
	m := op.m
	if !m.ops.Runs(op.id, op) {
		return
	}
	op.waiting--
	if op.silent[i] = err != nil; err == nil {
		v, pre, check := msg.(*GetValueAnswer).Value, op.key.Preimage(), m.cfg.Records.Validator
		if v != nil && bytes.Equal(v.Key, pre) && v.Age < m.cfg.Records.ValueTTL && check.Validate(pre, v.Value) == nil {
			op.got[i] = v
			if op.best == nil || !bytes.Equal(v.Value, op.best.Value) && check.Better(pre, v.Value, op.best.Value) {
				op.best = v
			}
		}
	}
	if op.waiting == 0 {
		op.end(nil)
	}
}

func (op *getOp) end(err error) {
	res := overlay.Result{Path: op.path}
	if op.best == nil {
		if err == nil {
			err = overlay.ErrNotFound
		}
		op.m.ops.Finish(op.id, res, err)
		return
	}
	res.Value = op.best.Value
	for i, c := range op.asked {
		if !op.silent[i] && (op.got[i] == nil || !bytes.Equal(op.got[i].Value, op.best.Value)) {
			op.m.ask(c, &PutValueRequest{Value: op.best}, nil)
		}
	}
	op.m.ops.Finish(op.id, res, nil)
}

// Stop implements [operation.Operation].
func (op *getOp) Stop() overlay.Result {
	if !op.lookup.ended {
		op.lookup.stop()
		op.path = op.lookup.trace()
	}
	res := overlay.Result{Path: op.path}
	if op.best != nil {
		res.Value = op.best.Value
	}
	return res
}
