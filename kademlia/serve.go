package kademlia

import (
	"bytes"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
	"ringswap/overlay/scope"
)

// server answers the requests of other nodes.
type server struct{ m *Machine }

// serve answers a request. It always replies exactly once, in the same step.
func (s server) serve(ev overlay.Inbound) {
	m := s.m
	reply, err := s.respond(&ev)
	if err != nil {
		m.emit(overlay.Reply{Req: ev.Req, Err: err})
		return
	}
	out := overlay.Reply{Req: ev.Req}
	if reply != nil { // a nil *Message must not become a Message that is not nil
		out.Msg = reply
	}
	m.emit(out)
}

// respond returns the answer to a request, or nil for one that has none.
func (s server) respond(ev *overlay.Inbound) (*Message, error) {
	m := s.m
	msg, ok := ev.Msg.(*Message)
	switch {
	case m.closed:
		return nil, overlay.ErrClosed
	case !ok || msg == nil:
		return nil, bad("a request of type %T", ev.Msg)
	case ev.From.Peer == "" || ev.From.ID == m.self.ID:
		return nil, bad("a request of our own")
	case !m.limiter.Allow(m.now, ev.From.Peer):
		return nil, fmt.Errorf("%w: too many requests", overlay.ErrRefused)
	}
	if ev.Server {
		m.checks.meet(scope.ContactWithin(ev.From, scope.OfAsker(ev.Remote)))
	}
	if !m.server {
		return nil, fmt.Errorf("%w: this node is a client", overlay.ErrRefused)
	}
	switch msg.Type {
	case FindNode:
		return s.findNode(ev, msg)
	case GetProviders:
		return s.getProviders(ev, msg)
	case AddProvider:
		return nil, s.addProvider(ev, msg)
	case GetValue:
		return s.getValue(ev, msg)
	case PutValue:
		return s.putValue(msg)
	case Ping:
		return &Message{Type: Ping, Key: msg.Key}, nil
	}
	return nil, bad("a request of type %d", msg.Type)
}

// closer are the nodes nearest to the key that the asker can reach, without the
// asker and this node.
func (s server) closer(ev *overlay.Inbound, key overlay.ID) []*overlay.Contact {
	m := s.m
	reach := scope.OfAsker(ev.Remote)
	head, anyone := headOf(ev.From.ID), m.cfg.Table.Addressless
	var room [64]*entry
	list := m.table.nearest(room[:0], key, s.answerSize(), func(e *entry) bool {
		return !e.silent() && (e.scopes.Reachable(reach) || anyone && e.scopes == 0) &&
			(e.head != head || e.c.ID != ev.From.ID)
	})
	out := make([]*overlay.Contact, len(list))
	for i, e := range list { // contacts are only looked at where they have to be
		if out[i] = e.c; !e.scopes.Within(reach) {
			out[i] = scope.ContactWithin(e.c, reach)
		}
	}
	return out
}

// answerSize is the number of contacts in an answer: K, and as many more as are
// likely dead, so that the asker is left with K that live even though dead ones
// stand between them. Nobody accepts more than 2K.
func (s server) answerSize() int {
	m := s.m
	const margin = 3
	return min(m.cfg.K+int(margin*m.requests.doubt*float64(m.cfg.K)), 2*m.cfg.K, MaxCloser)
}

func (s server) findNode(ev *overlay.Inbound, msg *Message) (*Message, error) {
	m := s.m
	if len(msg.Key) == 0 {
		return nil, bad("FIND_NODE without a key")
	}
	list := s.closer(ev, overlay.Place(msg.Key))
	if peer.ID(msg.Key) == m.self.Peer { // the public specification's exception: the target itself
		list = append([]*overlay.Contact{scope.ContactWithin(m.self, scope.OfAsker(ev.Remote))}, list...)
	}
	return &Message{Type: FindNode, Closer: list}, nil
}

// providerKey checks the key of a message about providers.
func providerKey(msg *Message) (overlay.ID, error) {
	if n := len(msg.Key); n == 0 || n > MaxProviderKey {
		return overlay.ID{}, bad("%s with a key of %d bytes", msg.Type, n)
	}
	return overlay.Place(msg.Key), nil
}

func (s server) getProviders(ev *overlay.Inbound, msg *Message) (*Message, error) {
	m := s.m
	key, err := providerKey(msg)
	if err != nil {
		return nil, err
	}
	reach := scope.OfAsker(ev.Remote)
	var list []*overlay.Contact
	if m.publisher.Get(key) != nil {
		list = append(list, scope.ContactWithin(m.self, reach))
	}
	for _, p := range m.providers.Get(m.now, key) {
		list = append(list, scope.ContactWithin(p.Contact, reach))
	}
	return &Message{Type: GetProviders, Key: msg.Key, Closer: s.closer(ev, key), Providers: list}, nil
}

// addProvider keeps a provider record. Only the provider itself can give
// it, and of the addresses in it only those are kept that others at the
// provider's place can use.
func (s server) addProvider(ev *overlay.Inbound, msg *Message) error {
	m := s.m
	key, err := providerKey(msg)
	if err != nil {
		return err
	}
	reach := scope.OfAsker(ev.Remote)
	for _, c := range msg.Providers {
		if c.Peer != ev.From.Peer {
			continue
		}
		c = scope.ContactWithin(c, reach)
		if len(c.Addrs) == 0 {
			c = scope.ContactWithin(ev.From, reach)
		}
		return m.providers.Add(key, c, m.now.Add(m.cfg.Records.ProviderTTL))
	}
	return fmt.Errorf("%w: a provider record must come from the provider", overlay.ErrRefused)
}

func (s server) getValue(ev *overlay.Inbound, msg *Message) (*Message, error) {
	m := s.m
	if len(msg.Key) == 0 {
		return nil, bad("GET_VALUE without a key")
	}
	key := overlay.Place(msg.Key)
	out := &Message{Type: GetValue, Key: msg.Key, Closer: s.closer(ev, key)}
	if v := m.values.Get(m.now, key); v != nil {
		out.Record = recordOf(v)
	}
	return out, nil
}

func (s server) putValue(msg *Message) (*Message, error) {
	m := s.m
	if len(msg.Key) == 0 || msg.Record == nil || !bytes.Equal(msg.Key, msg.Record.Key) {
		return nil, bad("PUT_VALUE without a record of its key")
	}
	err := m.values.keep(overlay.RawKey(msg.Key), msg.Record.Value, publishedAt(m.now, msg.Record))
	if err != nil {
		return nil, err
	}
	return &Message{Type: PutValue, Key: msg.Key, Record: msg.Record}, nil
}
