package chord

import (
	"ringswap/overlay"
	"ringswap/overlay/scope"
)

// serve answers a request of another node, exactly once and in the same step.
func (m *Machine) serve(ev *overlay.Inbound) {
	reply, err := m.respond(ev)
	if err != nil {
		m.refused.count(err)
		m.emit(overlay.Reply{Req: ev.Req, Err: err})
		return
	}
	m.emit(overlay.Reply{Req: ev.Req, Msg: reply})
}

func (m *Machine) respond(ev *overlay.Inbound) (Message, error) {
	msg, ok := ev.Msg.(Message)
	switch {
	case m.closed:
		return nil, overlay.ErrClosed
	case !ok || msg == nil:
		return nil, bad(ErrUnknownMessage, "a request of type %T", ev.Msg)
	case ev.From.Peer == "" || m.isSelf(ev.From):
		return nil, bad(ErrForged, "a request of our own")
	case !m.limiter.Allow(m.now, ev.From.Peer):
		return nil, refused(ErrLimit)
	case !m.server:
		return nil, refused(ErrClient)
	}
	reach := scope.OfAsker(ev.Remote)
	sender := scope.ContactWithin(ev.From, reach)
	if p := m.ring.pred; ev.Server && p != nil && p.ID == sender.ID && m.admit(sender) == nil {
		m.ring.predSeen = m.now
	}
	if ev.Server {
		m.heard(sender)
	}
	switch msg := msg.(type) {
	case *PingRequest:
		if msg.Changed {
			m.ring.hint(sender, ev.Server)
		}
		return &PingAnswer{}, nil
	case *FindRequest:
		return m.serveFind(ev, msg, reach)
	case *ForwardRequest:
		return &ForwardAnswer{}, m.forwarder.serve(ev, msg, reach)
	case *ResultRequest:
		return &ResultAnswer{}, m.serveResult(ev, msg)
	case *NeighboursRequest:
		return m.serveNeighbours(msg, reach), nil
	case *NotifyRequest:
		if !ev.Server {
			return nil, refused(ErrClient)
		}
		if err := m.admit(sender); err != nil {
			return nil, err
		}
		m.ring.rectify(sender)
		return &NotifyAnswer{}, nil
	case *LeaveRequest:
		m.ring.left(sender)
		return &LeaveAnswer{}, nil
	}
	if answer, ok, err := m.records.serve(sender, ev.Server, msg, reach); ok {
		return answer, err
	}
	return nil, bad(ErrUnknownMessage, "%s", msg.Type())
}

// left takes out a node that says good-bye. Was it the first successor, the next
// one loses its predecessor at the same moment, and is told of this one at once.
func (r *ring) left(c *overlay.Contact) {
	next := len(r.succ) > 0 && r.succ[0].ID == c.ID
	r.lost(c.ID)
	r.m.memory.forget(c.ID)
	if next && r.m.server {
		r.stabilize()
	}
}

// owns reports whether the key is this node's own: it is the first at or after it.
func (m *Machine) owns(key overlay.ID) bool {
	r := &m.ring
	if r.pred == nil {
		return key == m.self.ID || len(r.succ) == 0
	}
	return upTo(r.pred.ID, key, m.self.ID)
}

// owners are up to n nodes from key on if this node is the key's successor or
// its successor list covers the key; nil otherwise.
func (m *Machine) owners(key overlay.ID, n int) []*overlay.Contact {
	r := &m.ring
	if m.owns(key) {
		return chain(m.self, r.succ[:min(len(r.succ), n-1)])
	}
	last := m.self.ID
	for i, s := range r.succ {
		if upTo(last, key, s.ID) {
			return r.succ[i:min(len(r.succ), i+n)]
		}
		last = s.ID
	}
	return nil
}

// serveFind answers one step of a lookup.
func (m *Machine) serveFind(ev *overlay.Inbound, msg *FindRequest, reach scope.Scope) (Message, error) {
	if len(msg.Key) == 0 || len(msg.Key) > MaxKey || msg.N < 1 || msg.N > MaxContacts ||
		msg.Point && len(msg.Key) != overlay.IDBytes {
		return nil, bad(ErrBounds, "FIND")
	}
	key := m.keyID(msg)
	a := new(FindAnswer)
	switch {
	case !msg.Owner:
		if !m.ring.outside() {
			a.Owners = m.owners(key, msg.N)
		}
		m.way(key, a, func(c *overlay.Contact) bool { return c.ID != ev.From.ID && m.tellable(c, reach) })
	case !m.ring.outside(): // else no key is its own, whoever says so
		m.claim(key, msg.N, a)
	}
	a.Owners = m.within(a.Owners, reach)
	a.Closer = m.within(a.Closer, reach)
	return a, nil
}

// claim answers a node that takes this one for the key's successor: who it is as
// far as this node knows, and up to n with those that follow.
func (m *Machine) claim(key overlay.ID, n int, a *FindAnswer) {
	r := &m.ring
	a.Owners = chain(m.self, r.succ[:min(len(r.succ), n-1)])
	if p := r.pred; p != nil && (p.ID == key || between(key, p.ID, m.self.ID)) {
		a.Owners = chain(p, a.Owners)
	} else {
		a.Owner = m.owns(key)
	}
	a.Owners = cutBefore(key, a.Owners)
}

// way answers with nodes before the key, and with the first one after it if that
// may well be its successor and nothing better is known.
func (m *Machine) way(key overlay.ID, a *FindAnswer, keep func(*overlay.Contact) bool) {
	o := m.odds()
	a.Closer = m.index.preceding(make([]*overlay.Contact, 0, m.cfg.Lookup.Answer+1), key, m.cfg.Lookup.Answer, o, keep)
	if len(a.Owners) > 0 {
		return
	}
	if g := m.guess(key, o, keep); g != nil {
		a.Closer = append(a.Closer, g)
	}
}

// cutBefore ends a list, which begins at or after key, before it comes around.
func cutBefore(key overlay.ID, list []*overlay.Contact) []*overlay.Contact {
	for i := 1; i < len(list); i++ {
		if list[i].ID.Sub(key).Compare(list[i-1].ID.Sub(key)) <= 0 {
			return list[:i]
		}
	}
	return list
}

func (m *Machine) serveNeighbours(msg *NeighboursRequest, reach scope.Scope) Message {
	r := &m.ring
	a := &NeighboursAnswer{Version: r.version}
	if r.pred != nil && m.tellable(r.pred, reach) {
		a.Predecessor = scope.ContactWithin(r.pred, reach)
	}
	if msg.Known != r.version {
		a.Successors = m.within(r.succ, reach)
	}
	return a
}

// tellable reports whether someone at that scope can use any address of c.
func (m *Machine) tellable(c *overlay.Contact, reach scope.Scope) bool {
	return scope.Reachable(c, reach) || m.cfg.Ring.Addressless && len(c.Addrs) == 0
}

// within are the contacts that someone at that scope can reach, with those of
// their addresses that he can use. It returns the list itself if that is all.
func (m *Machine) within(list []*overlay.Contact, reach scope.Scope) []*overlay.Contact {
	for i, c := range list {
		if !m.tellable(c, reach) || scope.ContactWithin(c, reach) != c {
			out := make([]*overlay.Contact, i, len(list))
			copy(out, list)
			for _, c := range list[i:] {
				if m.tellable(c, reach) {
					out = append(out, scope.ContactWithin(c, reach))
				}
			}
			return out
		}
	}
	return list
}
