package kademlia

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
	"ringswap/overlay/scope"
)

// searchOp is a FindProviders. It asks every one of the K nearest nodes, since
// each may have records that the others lack, unless Limit ends it before.
type searchOp struct {
	m      *Machine
	id     overlay.OpID
	limit  int
	found  int
	shown  map[peer.ID]bool
	bare   []*overlay.Contact // found without an address so far
	lookup *lookup
}

func startSearch(m *Machine, id overlay.OpID, q overlay.FindProviders) error {
	if err := keyError(q.Key, MaxProviderKey); err != nil {
		return err
	}
	op := &searchOp{m: m, id: id, limit: q.Limit, shown: make(map[peer.ID]bool)}
	m.register(id, op)
	if m.publisher.get(q.Key.ID()) != nil && op.show(m.self) {
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

// offer shows a provider unless it was shown before. One without addresses is
// held back: another node may know where it is.
func (op *searchOp) offer(c *overlay.Contact) (enough bool) {
	if op.shown[c.Peer] || c.Peer == "" {
		return false
	}
	if len(c.Addrs) == 0 {
		if e := op.m.table.find(c.ID); e != nil {
			c = e.c
		}
	}
	if len(c.Addrs) == 0 {
		op.bare = append(op.bare, c)
		return false
	}
	return op.show(c)
}

// show emits a provider, and the end of the operation if it was the last one
// wanted.
func (op *searchOp) show(c *overlay.Contact) (enough bool) {
	op.shown[c.Peer] = true
	op.found++
	op.m.emit(overlay.Found{Op: op.id, Provider: *c})
	if op.limit > 0 && op.found == op.limit {
		op.end(op.lookup, nil)
		return true
	}
	return false
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

func (op *searchOp) over(l *lookup) {
	for _, c := range op.bare {
		if !op.shown[c.Peer] && op.show(c) {
			return
		}
	}
	err := l.verdict()
	if op.found > 0 {
		err = nil
	} else if err == nil {
		err = overlay.ErrNotFound
	}
	op.end(l, err)
}

func (op *searchOp) end(l *lookup, err error) {
	op.m.finish(op.id, partial(l, op.m.cfg.K), err)
}

func (op *searchOp) stop() overlay.Result { return partial(op.lookup, op.m.cfg.K) }
