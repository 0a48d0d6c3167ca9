package kademlia

import (
	"ringswap/overlay"
	"ringswap/overlay/operation"
	"ringswap/overlay/scope"
)

// searchOp is a FindProviders. It asks every one of the K nearest nodes, since
// each may have records that the others lack, unless Limit ends it before.
type searchOp struct {
	operation.Search
	m      *Machine
	lookup *lookup
}

func startSearch(m *Machine, id overlay.OpID, q overlay.FindProviders) error {
	if err := keyError(q.Key, MaxProviderKey); err != nil {
		return err
	}
	op := &searchOp{m: m, Search: operation.NewSearch(&m.ops, id, q.Limit)}
	m.ops.Add(id, op)
	if m.publisher.Get(q.Key.ID()) != nil && op.Show(m.self) {
		return nil
	}
	for _, p := range m.providers.Get(m.now, q.Key.ID()) {
		if op.offer(p.Contact) {
			return nil
		}
	}
	op.lookup = m.find(q.Key, GetProviders, op, wants{sweep: true})
	return nil
}

// offer is [operation.Search.Offer], with the address that we know ourselves if
// the provider comes without.
func (op *searchOp) offer(c *overlay.Contact) (enough bool) {
	if len(c.Addrs) == 0 {
		if e := op.m.table.find(c.ID); e != nil {
			c = e.c
		}
	}
	return op.Offer(c)
}

func (op *searchOp) took(_ *lookup, from *candidate, msg *Message) bool {
	reach := scope.OfContact(from.c)
	for _, c := range msg.Providers {
		if op.offer(scope.ContactWithin(c, reach)) {
			return false // the operation has ended, and the lookup with it
		}
	}
	return false
}

func (op *searchOp) over(l *lookup) { op.End(partial(l, op.m.cfg.K), l.verdict()) }

// Stop implements [operation.Operation].
func (op *searchOp) Stop() overlay.Result { return partial(op.lookup, op.m.cfg.K) }
