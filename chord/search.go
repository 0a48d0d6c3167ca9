package chord

import (
	"ringswap/overlay"
	"ringswap/overlay/operation"
	"ringswap/overlay/scope"
)

// searchOp is a FindProviders: all nodes responsible for the key are asked, since
// each may know providers that the others lack.
type searchOp struct {
	operation.Search
	m       *Machine
	id      overlay.OpID
	key     overlay.Key
	lookup  *lookup
	path    overlay.Path
	waiting int
}

// startSearch begins a FindProviders.
func (m *Machine) startSearch(id overlay.OpID, q overlay.FindProviders) error {
	if err := keyError(q.Key); err != nil {
		return err
	}
	op := &searchOp{m: m, id: id, key: q.Key, Search: operation.NewSearch(&m.ops, id, q.Limit)}
	m.ops.Add(id, op)
	if m.records.publisher.Get(q.Key.ID()) != nil && op.Show(m.self) {
		return nil
	}
	for _, p := range m.records.providers.Get(m.now, q.Key.ID()) {
		if op.offer(p.Contact) {
			return nil
		}
	}
	op.lookup = m.find(FindRequest{Key: q.Key.Preimage(), N: m.cfg.Copies}, op, nil, false)
	return nil
}

// offer is [operation.Search.Offer], with the address that we know ourselves if
// the provider comes without.
func (op *searchOp) offer(c *overlay.Contact) (enough bool) {
	if len(c.Addrs) == 0 {
		if e := op.m.index.find(c.ID); e != nil {
			c = e.c
		}
	}
	if op.m.cfg.Ring.Addressless {
		return op.Show(c)
	}
	return op.Offer(c)
}

// over implements goal.
func (op *searchOp) over(l *lookup) {
	m := op.m
	op.path = l.trace()
	if err := l.verdict(); err != nil {
		op.end(err)
		return
	}
	for i := range op.path.Closest {
		c := &op.path.Closest[i]
		if c.Peer == m.self.Peer {
			continue
		}
		op.waiting++
		m.ask(c, &GetProvidersRequest{Key: op.key.Preimage()}, func(msg Message, err error) { op.took(c, msg, err) })
	}
	if op.waiting == 0 {
		op.end(nil)
	}
}

func (op *searchOp) took(from *overlay.Contact, msg Message, err error) {
	if !op.m.ops.Runs(op.id, op) {
		return
	}
	op.waiting--
	if err == nil {
		reach := scope.OfContact(from)
		for _, c := range msg.(*GetProvidersAnswer).Providers {
			if op.offer(scope.ContactWithin(c, reach)) {
				return
			}
		}
	}
	if op.waiting == 0 {
		op.end(nil)
	}
}

func (op *searchOp) end(err error) { op.End(overlay.Result{Path: op.path}, err) }

// Stop implements [operation.Operation].
func (op *searchOp) Stop() overlay.Result {
	if op.lookup != nil && !op.lookup.ended {
		op.lookup.stop()
		op.path = op.lookup.trace()
	}
	return overlay.Result{Path: op.path}
}
