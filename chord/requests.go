package chord

import (
	"errors"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/rtt"
)

// requests are the messages in flight, and what their answers taught.
type requests struct {
	last overlay.ReqID
	open []request // by ID, which grow
	trip rtt.Estimate
	// sent counts all messages that were sent, failed those without an answer.
	sent, failed uint64
}

// request is one message in flight.
type request struct {
	id   overlay.ReqID
	to   *overlay.Contact
	kind MessageType
	sent time.Time
	then func(Message, error)
}

// ask sends a request. then is called once, in a later step, with the answer or
// the error; it may be nil. What the answer says about the contact's health has
// been seen to by then.
func (m *Machine) ask(to *overlay.Contact, msg Message, then func(Message, error)) {
	r := &m.requests
	r.last++
	r.sent++
	r.open = append(r.open, request{id: r.last, to: to, kind: msg.Type(), sent: m.now, then: then})
	m.emit(overlay.Send{Req: r.last, To: to, Msg: msg, Timeout: m.timeout()})
}

// timeout is how long an answer may take: four times what answers usually do.
func (m *Machine) timeout() time.Duration {
	l := &m.cfg.Lookup
	usual := m.requests.trip.Usual()
	if usual == 0 {
		return l.RequestTimeout
	}
	return min(max(4*usual, l.MinTimeout), l.RequestTimeout)
}

// answered takes an answer to whoever asked.
func (m *Machine) answered(ev *overlay.Answer) {
	i := 0
	for i < len(m.requests.open) && m.requests.open[i].id != ev.Req {
		i++
	}
	if i == len(m.requests.open) {
		return
	}
	r := m.requests.open[i]
	m.requests.open = append(m.requests.open[:i], m.requests.open[i+1:]...)
	if m.closed {
		return
	}
	msg, err := m.checkAnswer(&r, ev)
	if err == nil {
		took := m.now.Sub(r.sent)
		m.requests.trip.Observe(took)
		m.alive(r.to, took)
	} else {
		m.requests.failed++
		m.refused.count(err)
		if r.kind.upkeep() || !errors.Is(err, overlay.ErrRefused) {
			m.silent(&r, err)
		}
	}
	if r.then != nil {
		r.then(msg, err)
	}
}

// upkeep reports whether whoever refuses such a request cannot be a contact: he
// leaves, or is not in the ring. Other requests can be refused by anyone, for what
// they ask; a NOTIFY by a node to which the transport has not shown yet that the
// asker is a server, as on a new connection.
func (t MessageType) upkeep() bool {
	switch t {
	case TypePing, TypeFind, TypeNeighbours, TypeLeave:
		return true
	}
	return false
}

// checkAnswer returns the message of an answer if it is a sound one to its
// request. One that is not counts as none.
func (m *Machine) checkAnswer(r *request, ev *overlay.Answer) (Message, error) {
	if ev.Err != nil {
		return nil, ev.Err
	}
	msg, ok := ev.Msg.(Message)
	if !ok || msg == nil || msg.Type() != r.kind|TypeAnswer {
		return nil, bad(ErrUnknownMessage, "the answer to %s is something else", r.kind)
	}
	switch a := msg.(type) {
	case *NeighboursAnswer:
		if a.Version == 0 {
			return nil, bad(ErrBounds, "a list without a version")
		}
		return a, m.ordered(r.to.ID, a.Successors, true)
	case *FindAnswer:
		if len(a.Closer) > MaxContacts {
			return nil, bad(ErrBounds, "%d contacts", len(a.Closer))
		}
		if len(a.Owners) > 0 {
			return a, m.ordered(a.Owners[0].ID, a.Owners[1:], false)
		}
	}
	return msg, nil
}

// ordered returns an error unless the list names nodes after from in ring order,
// each once and none of them from itself. self may be among them if asked.
func (m *Machine) ordered(from overlay.ID, list []*overlay.Contact, hash bool) error {
	if len(list) > MaxContacts {
		return bad(ErrBounds, "%d contacts", len(list))
	}
	var last overlay.ID
	known := roll{self: m.self.ID, list: m.ring.succ}
	for _, c := range list {
		if c == nil || c.Peer == "" {
			return bad(ErrForged, "a contact without a peer ID")
		}
		d := c.ID.Sub(from)
		if d.Compare(last) <= 0 {
			return bad(ErrDisorder, "%s", c.ID.Short())
		}
		last = d
		if hash && !known.has(c) && m.index.find(c.ID) == nil && c.ID != m.self.ID {
			if err := m.admit(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// alive notes that a contact gave a sign of life.
func (m *Machine) alive(c *overlay.Contact, took time.Duration) {
	m.memory.forget(c.ID)
	if e := m.index.find(c.ID); e != nil {
		if e.seen > 0 {
			m.deaths.observe(e.age(m.now), false)
		}
		e.answered(m.now, took)
		if m.cfg.Cache.Entries > 0 {
			e.roles |= cached
		}
		return
	}
	if m.cfg.Cache.Entries < 0 || m.admit(c) != nil {
		return
	}
	e := m.index.put(c)
	e.roles |= cached
	e.answered(m.now, took)
	if len(m.index.list) > m.cfg.Cache.Entries {
		m.index.thin(m.cfg.Rand)
	}
}

// heard notes that a contact gave a sign of life by asking something. That it
// answers is not known yet, nor which way leads to it: one that is new takes a free
// place of the cache, but nobody else's, so that asking much pushes nobody out.
func (m *Machine) heard(c *overlay.Contact) {
	e := m.index.find(c.ID)
	switch {
	case e != nil && e.seen > 0:
		e.answered(m.now, 0)
	case e == nil && len(m.index.list) < m.cfg.Cache.Entries && m.admit(c) == nil:
		e = m.index.put(c)
		e.roles |= cached
		e.answered(m.now, 0)
	}
}

// silent notes that a contact did not answer a request. One that gave a sign of
// life after it was asked is there, if nothing came back: it has been started again
// meanwhile, or the request got lost.
func (m *Machine) silent(r *request, err error) {
	if e := m.index.find(r.to.ID); e != nil && e.seen > 0 {
		if errors.Is(err, overlay.ErrTimeout) && int64(e.seen) > r.sent.Unix() {
			return
		}
		m.deaths.observe(e.age(r.sent), true)
	}
	m.ring.lost(r.to.ID)
}
