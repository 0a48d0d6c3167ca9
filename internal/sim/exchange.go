package sim

import (
	"errors"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
)

// errNoProtocol is what a dial of a client comes to.
var errNoProtocol = errors.New("sim: the peer does not answer this protocol")

// exchange is one request on its way, and then its answer. At most one event is
// queued for it at a time, except for an answer that is given later: then there
// is its time limit too.
type exchange struct {
	from, to *Node
	// msg is the request until it is answered, then the answer.
	msg overlay.Message
	err error
	req overlay.ReqID
	// limit is when the asker stops waiting.
	limit int64
	// life is that of the asker, toLife that of the receiver when it arrived.
	life, toLife uint32
	gen          uint32
	oneWay       bool
	phase        phase
}

// phase is how far an exchange has come.
type phase uint8

const (
	unused   phase = iota
	toward         // the request is on its way
	pending        // it has arrived and is not answered
	returned       // the answer, or the lack of one, is on its way
)

// open takes a free exchange.
func (w *World) open() (uint32, *exchange) {
	if last := len(w.free) - 1; last >= 0 {
		i := w.free[last]
		w.free = w.free[:last]
		return i, &w.exchanges[i]
	}
	w.exchanges = append(w.exchanges, exchange{})
	i := len(w.exchanges) - 1
	return uint32(i), &w.exchanges[i]
}

// close ends an exchange; what still names it is void.
func (w *World) close(i uint32) {
	x := &w.exchanges[i]
	*x = exchange{gen: x.gen + 1}
	w.free = append(w.free, i)
}

// send puts a request on its way. Where it cannot be answered in time, the
// asker's timeout is queued; otherwise none is needed.
func (w *World) send(from *Node, s *overlay.Send) {
	w.Messages++
	w.count(from, s.Msg)
	to := w.nodeOf(s.To)
	i, x := w.open()
	x.from, x.to, x.req, x.oneWay, x.life = from, to, s.Req, s.OneWay, from.life
	x.limit = w.now + int64(s.Timeout)
	if !s.OneWay {
		from.busy++
	}
	if to == nil || w.lost(from, to) {
		w.silence(i)
		return
	}
	x.msg, x.phase = s.Msg, toward
	w.queue.Push(w.now+int64(w.delay(from, to)), event{kind: evDeliver, arg: i, gen: x.gen})
}

// silence lets the asker's patience run out.
func (w *World) silence(i uint32) {
	x := &w.exchanges[i]
	if x.oneWay {
		w.close(i)
		return
	}
	x.msg, x.err, x.phase = nil, overlay.ErrTimeout, returned
	w.queue.Push(max(x.limit, w.now), event{kind: evAnswer, arg: i, gen: x.gen})
}

// deliver hands a request to its receiver.
func (w *World) deliver(i uint32) {
	x := &w.exchanges[i]
	to, from := x.to, x.from
	switch {
	case to.state != running || w.parted(from, to):
		w.silence(i)
		return
	case !to.Server:
		if x.oneWay {
			w.close(i)
			return
		}
		x.msg, x.err, x.phase = nil, errNoProtocol, returned
		at := min(w.now+int64(w.delay(to, from)), x.limit)
		w.queue.Push(at, event{kind: evAnswer, arg: i, gen: x.gen})
		return
	}
	msg := x.msg
	x.msg, x.phase, x.toLife = nil, pending, to.life
	gen := x.gen
	to.busy++
	in := overlay.Inbound{Req: reqOf(i, gen), From: from.Contact, Remote: remoteOf(from.Contact), Server: from.Server, Msg: msg}
	w.step(to, in)
	x = &w.exchanges[i] // the step may have grown the list
	if x.gen != gen || x.phase != pending {
		return
	}
	if x.oneWay {
		x.idle()
		w.close(i)
		return
	}
	// Not answered at once: from here on the limit has an event of its own.
	w.queue.Push(max(x.limit, w.now), event{kind: evAnswer, arg: i, gen: gen})
}

// idle says that the receiver no longer owes an answer.
func (x *exchange) idle() {
	if x.to.life == x.toLife {
		x.to.busy--
	}
}

// reqOf packs an exchange and its generation into the number that the receiver
// knows it by.
func reqOf(i, gen uint32) overlay.ReqID { return overlay.ReqID(gen)<<32 | overlay.ReqID(i) }

// reply takes an answer to whoever asked.
func (w *World) reply(n *Node, r *overlay.Reply) {
	i, gen := uint32(r.Req), uint32(r.Req>>32)
	if int(i) >= len(w.exchanges) {
		return
	}
	x := &w.exchanges[i]
	if x.gen != gen || x.phase != pending || x.to != n {
		return // the asker has given up
	}
	x.idle()
	if x.oneWay {
		w.close(i)
		return
	}
	switch {
	case r.Err != nil:
		x.err = overlay.ErrRefused
	case r.Msg == nil: // the protocol has no answer to this: nothing comes
		w.silence(i)
		return
	}
	w.Messages++
	w.count(n, r.Msg)
	if w.lost(n, x.from) {
		w.silence(i)
		return
	}
	x.msg, x.phase = r.Msg, returned
	at := w.now + int64(w.delay(n, x.from))
	if at > x.limit {
		w.silence(i)
		return
	}
	w.queue.Push(at, event{kind: evAnswer, arg: i, gen: gen})
}

// answer ends an exchange at the asker.
func (w *World) answer(i uint32) {
	x := w.exchanges[i]
	a := overlay.Answer{Req: x.req, Msg: x.msg, Err: x.err}
	switch {
	case x.phase == pending: // the limit of one that is not answered
		x.idle()
		a = overlay.Answer{Req: x.req, Err: overlay.ErrTimeout}
	case a.Err == nil && w.parted(x.from, x.to):
		w.silence(i)
		return
	}
	w.close(i)
	if x.from.state != running || x.from.life != x.life {
		return
	}
	x.from.busy--
	w.step(x.from, a)
}

func remoteOf(c *overlay.Contact) ma.Multiaddr {
	if len(c.Addrs) == 0 {
		return nil
	}
	return c.Addrs[0]
}

// lost decides whether a message between two nodes never arrives. A cut is
// looked at again when it would arrive.
func (w *World) lost(from, to *Node) bool {
	if w.parted(from, to) {
		return true
	}
	return w.settings.Loss > 0 && w.rng.Float64() < w.settings.Loss
}

// delay is how long a message takes, one way.
func (w *World) delay(from, to *Node) time.Duration {
	return w.settings.Latency.Delay(from.Number, to.Number, w.rng) + from.slow
}

// parted reports whether a cut runs between two nodes.
func (w *World) parted(a, b *Node) bool { return a.side != b.side }

// count adds the length of a message to the bytes that its sender sent.
func (w *World) count(from *Node, m overlay.Message) {
	if !w.settings.CountBytes || m == nil {
		return
	}
	b, err := w.settings.Overlay.Codec().Encode(m)
	if err != nil {
		w.fail(from, err)
		return
	}
	w.Bytes += uint64(len(b) + w.settings.MessageOverhead)
}
