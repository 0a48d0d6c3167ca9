package kademlia

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/rtt"
	"ringswap/overlay/scope"
)

// requests are the messages in flight, and what their answers taught.
type requests struct {
	last overlay.ReqID
	open []request // by ID, which grow
	// trip is how long answers take.
	trip rtt.Estimate
	// doubt estimates the share of contacts that do not answer when asked: a
	// moving average over about the last 32 lookup requests.
	doubt float64
	// sent counts all messages that were sent, asked those that want an answer.
	sent, asked uint64
}

// request is one message in flight.
type request struct {
	id   overlay.ReqID
	to   *overlay.Contact
	kind MessageType
	sent time.Time
	then func(*Message, error)
}

// ask sends a request. then is called once, in a later step, with the answer
// or the error; it may be nil. What the answer says about the contact's health
// has been seen to by then.
func (m *Machine) ask(to *overlay.Contact, msg *Message, then func(*Message, error)) {
	r := &m.requests
	r.last++
	r.open = append(r.open, request{id: r.last, to: to, kind: msg.Type, sent: m.now, then: then})
	r.sent++
	r.asked++
	m.emit(overlay.Send{Req: r.last, To: to, Msg: msg, Timeout: m.cfg.Lookup.RequestTimeout})
}

// tell sends a message that has no answer.
func (m *Machine) tell(to *overlay.Contact, msg *Message) {
	m.requests.last++
	m.requests.sent++
	m.emit(overlay.Send{Req: m.requests.last, To: to, Msg: msg, Timeout: m.cfg.Lookup.RequestTimeout, OneWay: true})
}

// answered takes an answer to whoever asked.
func (m *Machine) answered(ev overlay.Answer) {
	r, ok := m.requests.take(ev.Req)
	if !ok {
		return
	}
	msg, err := checkAnswer(r.kind, ev)
	now := stampOf(m.now)
	switch {
	case m.closed:
	case err == nil:
		m.requests.trip.Observe(m.now.Sub(r.sent))
		if m.admissible(r.to) {
			if !m.table.seen(now, r.to) {
				m.checks.makeRoom(r.to)
			}
		}
	case errors.Is(err, overlay.ErrRefused) && r.kind == PutValue:
		// It is alive and does not want this value.
	default:
		m.table.failed(now, r.to.ID)
	}
	if r.then != nil {
		r.then(msg, err)
	}
}

// take takes a request out of those that are open.
func (r *requests) take(id overlay.ReqID) (request, bool) {
	i, ok := slices.BinarySearchFunc(r.open, id, func(q request, id overlay.ReqID) int { return cmp.Compare(q.id, id) })
	if !ok {
		return request{}, false
	}
	q := r.open[i]
	if r.open = slices.Delete(r.open, i, i+1); len(r.open) == 0 && cap(r.open) > 64 {
		r.open = nil // after a burst
	}
	return q, true
}

// checkAnswer returns the message of an answer if it is one to its request.
func checkAnswer(kind MessageType, ev overlay.Answer) (*Message, error) {
	if ev.Err != nil {
		return nil, ev.Err
	}
	msg, ok := ev.Msg.(*Message)
	if !ok || msg == nil || msg.Type != kind {
		return nil, bad("the answer to a %s is something else", kind)
	}
	return msg, nil
}

// limits are after what time the answer to a request of a lookup is late,
// because most answers would have come by then, and when it is hopeless to wait:
// after Patience, or earlier where answers usually come quickly, or later where
// they usually take longer. Once a request is late, the next one is sent without
// waiting for it.
func (r *requests) limits(cfg *LookupConfig) (late, hopeless time.Duration) {
	const least, most, hope = 50 * time.Millisecond, time.Second, 500 * time.Millisecond
	usual := r.trip.Usual()
	if usual == 0 {
		usual = most
	}
	wait := max(min(max(4*usual, hope), cfg.Patience), min(usual, cfg.RequestTimeout))
	return min(max(usual, least), most, wait), wait
}

// doubtGain is the weight of one request in doubt.
const doubtGain = 1.0 / 32

// judge takes into doubt whether a contact answered.
func (r *requests) judge(answered bool) {
	sample := 1.0
	if answered {
		sample = 0
	}
	r.doubt += (sample - r.doubt) * doubtGain
}

// admissible reports whether the table may hold c at all.
func (m *Machine) admissible(c *overlay.Contact) bool {
	if c.ID == m.self.ID || c.Peer == "" { // IDs are at hand, the peer's bytes are not
		return false
	}
	return !m.cfg.Table.PublicOnly || scope.Has(c.Addrs, scope.Public)
}
