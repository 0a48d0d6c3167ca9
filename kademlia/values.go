package kademlia

import (
	"bytes"
	"errors"
	"fmt"

	"ringswap/overlay"
	"ringswap/overlay/record"
)

// putOp is a PutValue: a lookup, then a store at each of the K nearest nodes.
// In place of one that does not answer the next nearest is asked.
type putOp struct {
	m       *Machine
	id      overlay.OpID
	value   *record.Value
	lookup  *lookup
	path    overlay.Path
	next    []*overlay.Contact // who to ask when one fails, nearest first
	waiting int
	stored  int
}

func startPut(m *Machine, id overlay.OpID, q overlay.PutValue) error {
	if err := keyError(q.Key, MaxKey); err != nil {
		return err
	}
	if len(q.Value) == 0 || len(q.Value) > MaxValue {
		return bad("a value of %d bytes", len(q.Value))
	}
	if err := m.cfg.Records.Validator.Validate(q.Key.Preimage(), q.Value); err != nil {
		return fmt.Errorf("kademlia: value of %s: %w", q.Key.ID().Short(), err)
	}
	op := &putOp{m: m, id: id, value: &record.Value{Key: q.Key, Data: clone(q.Value), Published: m.now}}
	m.ops.Add(id, op)
	op.lookup = m.find(q.Key, FindNode, op, wants{})
	return nil
}

func (op *putOp) took(*lookup, *candidate, *Message) bool { return false }

func (op *putOp) over(l *lookup) {
	m := op.m
	op.path = l.trace(m.cfg.K)
	if err := l.verdict(); err != nil {
		op.end(err)
		return
	}
	var first []*overlay.Contact
	for i := range op.path.Closest {
		c := &op.path.Closest[i]
		if c.Peer != m.self.Peer {
			first = append(first, c)
		} else if m.values.keep(op.value.Key, op.value.Data, m.now) == nil {
			op.stored++
		}
	}
	for _, c := range l.closest(2 * m.cfg.K) {
		if len(first) > 0 && l.target.Closer(first[len(first)-1].ID, c.c.ID) {
			op.next = append(op.next, c.c)
		}
	}
	for _, c := range first {
		op.give(c)
	}
	op.settle()
}

func (op *putOp) give(c *overlay.Contact) {
	op.waiting++
	op.m.give(c, op.value, func(msg *Message, err error) {
		if !op.m.ops.Runs(op.id, op) {
			return
		}
		op.waiting--
		if err == nil && msg.Record != nil && bytes.Equal(msg.Record.Value, op.value.Data) {
			op.stored++
		} else if err != nil && !errors.Is(err, overlay.ErrRefused) && len(op.next) > 0 {
			c := op.next[0]
			op.next = op.next[1:]
			op.give(c)
		}
		op.settle()
	})
}

// settle ends the operation when nobody is left to wait for, or when three in
// four have taken the value: the stragglers will have it from the first
// republication at the latest.
func (op *putOp) settle() {
	if op.waiting > 0 && 4*op.stored < 3*op.m.cfg.K {
		return
	}
	var err error
	if op.stored == 0 {
		err = overlay.ErrRefused
	}
	op.end(err)
}

func (op *putOp) end(err error) {
	op.m.ops.Finish(op.id, overlay.Result{Path: op.path, Stored: op.stored}, err)
}

// Stop implements [operation.Operation].
func (op *putOp) Stop() overlay.Result {
	if op.path.Steps == nil {
		return partial(op.lookup, op.m.cfg.K)
	}
	return overlay.Result{Path: op.path, Stored: op.stored}
}

// getOp is a GetValue. It compares what Quorum nodes have, or all that are
// responsible, and repairs what it finds wrong on the way.
type getOp struct {
	m       *Machine
	id      overlay.OpID
	key     overlay.Key
	best    *record.Value
	holders []*candidate // who has the best value
	worse   []*candidate // who has another one
	lacked  []*candidate // who has none
	lookup  *lookup
}

func startGet(m *Machine, id overlay.OpID, q overlay.GetValue) error {
	if err := keyError(q.Key, MaxKey); err != nil {
		return err
	}
	op := &getOp{m: m, id: id, key: q.Key}
	if v := m.values.Get(m.now, q.Key.ID()); v != nil {
		op.best = &record.Value{Key: v.Key, Data: v.Data, Published: v.Published}
	}
	m.ops.Add(id, op)
	op.lookup = m.find(q.Key, GetValue, op, wants{sweep: true})
	return nil
}

func (op *getOp) took(l *lookup, from *candidate, msg *Message) (enough bool) {
	m := op.m
	pre, check := l.request.Key, m.cfg.Records.Validator
	r := msg.Record
	if r == nil || !bytes.Equal(r.Key, pre) || check.Validate(pre, r.Value) != nil {
		op.lacked = append(op.lacked, from)
		return false
	}
	switch {
	case op.best == nil || !bytes.Equal(r.Value, op.best.Data) && check.Better(pre, r.Value, op.best.Data):
		op.worse = append(op.worse, op.holders...)
		op.holders = []*candidate{from}
		op.best = &record.Value{Key: op.key, Data: r.Value, Published: publishedAt(m.now, r)}
	case bytes.Equal(r.Value, op.best.Data):
		op.holders = append(op.holders, from)
	default:
		op.worse = append(op.worse, from)
	}
	quorum := m.cfg.Lookup.Quorum
	return quorum > 0 && len(op.holders)+len(op.worse) >= quorum
}

func (op *getOp) over(l *lookup) {
	res := overlay.Result{Path: l.trace(op.m.cfg.K)}
	if op.best == nil {
		err := l.verdict()
		if err == nil {
			err = overlay.ErrNotFound
		}
		op.m.ops.Finish(op.id, res, err)
		return
	}
	res.Value = op.best.Data
	op.repair(l)
	op.m.ops.Finish(op.id, res, nil)
}

// repair gives the best value to those that had a worse one, and to the nearest
// node that had none, which so becomes a cache on the way to the key (paper,
// section 2.3).
func (op *getOp) repair(l *lookup) {
	m, best := op.m, op.best
	for _, c := range op.worse {
		m.outbox.post(m, func() { m.give(c.c, best, nil) })
	}
	var nearest *candidate
	for _, c := range op.lacked {
		if nearest == nil || l.target.Closer(c.c.ID, nearest.c.ID) {
			nearest = c
		}
	}
	if nearest != nil {
		m.outbox.post(m, func() { m.give(nearest.c, best, nil) })
	}
}

// Stop implements [operation.Operation].
func (op *getOp) Stop() overlay.Result {
	res := partial(op.lookup, op.m.cfg.K)
	if op.best != nil {
		res.Value = op.best.Data
	}
	return res
}
