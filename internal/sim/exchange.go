package sim

import (
	"errors"
	"math/rand/v2"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
)

// errNoProtocol is what a dial of a client comes to.
var errNoProtocol = errors.New("sim: the peer does not answer this protocol")

// letter is a message on its way: a request, or its answer, or that there will be
// none. Whoever has a request decides what becomes of it, so that the asker hears
// of each exactly once, and at most one event is queued for it: the sender if it
// gets lost or cannot be answered in time, else the receiver. The latter does so
// as long as an answer could still be in time, so that no news travels faster than
// messages.
type letter struct {
	from, to *Node // the asker and the asked, in either direction; to may be nil on the way back
	// What the receiver must know of the asker, whose Node another core may be
	// writing to.
	contact *overlay.Contact
	number  uint32
	server  bool
	// msg is the request, then the answer.
	msg overlay.Message
	err error
	// asked is the asker's number of the request, req the receiver's.
	asked, req overlay.ReqID
	// limit is when the asker stops waiting.
	limit int64
	// life is that of the asker, toLife that of the receiver when it arrived.
	life, toLife uint32
	gen          uint32
	phase        phase
	// silent says that the asker waits for no answer, or will have stopped when one
	// could come.
	silent bool
}

// phase is how far a request has come.
type phase uint8

const (
	toward   phase = iota // the request is on its way
	pending               // it has arrived and is not answered
	returned              // the answer, or the lack of one, is on its way
)

// key is the place of an event that the node causes among those of the same time.
func (n *Node) key() uint64 {
	n.caused++
	return uint64(n.Number)<<40 | n.caused
}

// fate is the randomness of one event: it depends on the event's key alone.
func (s *shard) fate(key uint64) *rand.Rand {
	s.source.Seed(mix(s.stream, key), key)
	return s.rng
}

// send puts a request on its way.
func (s *shard) send(from *Node, m *overlay.Send) {
	s.messages++
	s.count(from, m.Msg)
	key := from.key()
	l := letter{
		from: from, contact: from.Contact, number: from.Number, server: from.Server, msg: m.Msg, asked: m.Req, req: overlay.ReqID(key), silent: m.OneWay,
		life: from.life, limit: s.now + int64(max(0, m.Timeout)),
	}
	if !m.OneWay {
		from.busy++
	}
	rng := s.fate(key)
	number, known := s.w.numberOf(m.To.Peer)
	if !known || s.lost(from, s.w.nodes[number], rng) {
		s.silence(from, &l)
		return
	}
	l.to = s.w.nodes[number]
	at := s.now + s.delay(from, number, rng)
	if !m.OneWay && at+s.w.least > l.limit { // no answer can be in time
		s.silence(from, &l)
		l.silent = true
	}
	s.post(s.w.shard(number), at, key, &l)
}

// silence lets the patience of a request's asker run out; by is the node that
// knows.
func (s *shard) silence(by *Node, request *letter) {
	if request.silent {
		return
	}
	l := *request
	l.msg, l.err, l.phase = nil, overlay.ErrTimeout, returned
	s.post(s.w.shard(l.number), max(l.limit, s.now), by.key(), &l)
}

// receive hands over what has arrived.
func (s *shard) receive(i uint32) {
	if s.letters[i].phase == toward {
		s.deliver(i)
		return
	}
	l := s.letters[i]
	s.drop(i)
	s.answer(&l)
}

// deliver hands a request to its receiver.
func (s *shard) deliver(i uint32) {
	l := &s.letters[i]
	to := l.to
	switch {
	case to.state != running || s.w.parted(l.from, to):
		s.silence(to, l)
		s.drop(i)
		return
	case !to.Server:
		s.refuse(l)
		s.drop(i)
		return
	}
	in := overlay.Inbound{Req: l.req, From: l.contact, Remote: remoteOf(l.contact), Server: l.server, Msg: l.msg}
	l.msg, l.phase, l.toLife = nil, pending, to.life
	to.busy++
	s.serving = i
	s.step(to, in)
	if s.serving != i {
		return // it was answered
	}
	s.serving = nobody
	l = &s.letters[i] // the step may have grown the list
	if l.silent {
		l.idle()
		s.drop(i)
		return
	}
	s.owed[l.req] = i
	s.queue.PushKey(max(l.limit-s.w.least, s.now), to.key(), event{kind: evOwed, arg: i, gen: l.gen})
}

// refuse lets an asker know that a node answers no requests.
func (s *shard) refuse(l *letter) {
	if l.silent {
		return
	}
	key := l.to.key()
	back := *l
	back.msg, back.err, back.phase = nil, errNoProtocol, returned
	at := min(s.now+s.delay(l.to, l.number, s.fate(key)), l.limit)
	s.post(s.w.shard(l.number), at, key, &back)
}

// idle says that the receiver no longer owes an answer.
func (l *letter) idle() {
	if l.to.life == l.toLife {
		l.to.busy--
	}
}

// giveUp ends a request that can no longer be answered in time.
func (s *shard) giveUp(i uint32) {
	l := &s.letters[i]
	delete(s.owed, l.req)
	l.idle()
	s.silence(l.to, l)
	s.drop(i)
}

// owing takes the request that a node answers out of those that are owed.
func (s *shard) owing(n *Node, req overlay.ReqID) (l letter, ok bool) {
	i := s.serving
	if i != nobody && s.letters[i].req == req && s.letters[i].to == n {
		s.serving = nobody
	} else if i, ok = s.owed[req]; !ok || s.letters[i].to != n {
		return l, false // the asker has given up
	} else {
		delete(s.owed, req)
	}
	l = s.letters[i]
	l.idle()
	s.drop(i)
	return l, true
}

// reply takes an answer to whoever asked.
func (s *shard) reply(n *Node, r *overlay.Reply) {
	l, ok := s.owing(n, r.Req)
	switch {
	case !ok:
		return
	case r.Err != nil:
		l.err = overlay.ErrRefused
	case r.Msg == nil: // the protocol has no answer to this: nothing comes
		s.silence(n, &l)
		return
	}
	s.messages++
	s.count(n, r.Msg)
	key := n.key()
	rng := s.fate(key)
	if s.lost(n, l.from, rng) {
		s.silence(n, &l)
		return
	}
	at := s.now + s.delay(n, l.number, rng)
	if at > l.limit || l.silent {
		s.silence(n, &l)
		return
	}
	l.msg, l.phase = r.Msg, returned
	s.post(s.w.shard(l.number), at, key, &l)
}

// answer ends a request at the asker.
func (s *shard) answer(l *letter) {
	n := l.from
	if l.err == nil && s.w.parted(n, l.to) {
		s.silence(n, l)
		return
	}
	if n.state != running || n.life != l.life {
		return
	}
	n.busy--
	s.step(n, overlay.Answer{Req: l.asked, Msg: l.msg, Err: l.err})
}

func remoteOf(c *overlay.Contact) ma.Multiaddr {
	if len(c.Addrs) == 0 {
		return nil
	}
	return c.Addrs[0]
}

// lost decides whether a message between two nodes never arrives. A cut is
// looked at again when it would arrive.
func (s *shard) lost(from, to *Node, rng *rand.Rand) bool {
	if s.w.parted(from, to) {
		return true
	}
	return s.w.settings.Loss > 0 && rng.Float64() < s.w.settings.Loss
}

// delay is how long a message takes, one way, in nanoseconds.
func (s *shard) delay(from *Node, to uint32, rng *rand.Rand) int64 {
	return int64(s.w.settings.Latency.Delay(from.Number, to, rng) + from.slow)
}

// parted reports whether a cut runs between two nodes.
func (w *World) parted(a, b *Node) bool { return w.cut && a.side != b.side }

// count adds the length of a message to the bytes that its sender sent.
func (s *shard) count(from *Node, m overlay.Message) {
	if !s.w.settings.CountBytes || m == nil {
		return
	}
	b, err := s.w.settings.Overlay.Codec().Encode(m)
	if err != nil {
		s.fail(from, err)
		return
	}
	s.bytes += uint64(len(b) + s.w.settings.MessageOverhead)
}
