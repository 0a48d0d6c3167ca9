// Package overlaytest is the conformance suite that every [overlay.Machine]
// passes, and the small network it runs on: machines joined by an event heap in
// virtual time, with latency, loss, dead nodes and liars, where one seed gives
// one run.
//
// Start at [Run], which is the suite, or at [Network], which other tests of a
// machine may use as well.
package overlaytest

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
)

// epoch is when every virtual run begins.
var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Network joins machines in virtual time. It holds them to their contract while
// they run: a second Done or Reply, or an effect for something unknown, fails
// the test, and every message travels in its wire format.
type Network struct {
	// Latency is one way between two nodes; nil means 20 to 30 ms at random.
	Latency func(from, to *Node) time.Duration
	// Lost decides whether a message is dropped; nil loses nothing.
	Lost func(from, to *Node, msg overlay.Message) bool
	// Tamper may replace a reply by another; nil changes nothing.
	Tamper func(from, to *Node, reply overlay.Message) overlay.Message
	// After is called after every step of every machine; nil checks nothing.
	After func(n *Node)

	t     testing.TB
	codec overlay.Codec
	rng   *rand.Rand
	now   time.Time
	queue events
	seq   uint64
	nodes map[overlay.ID]*Node
	order []*Node
	// Messages counts what was sent, requests and replies alike.
	Messages int
}

// Node is one machine of a Network.
type Node struct {
	overlay.Contact
	Machine overlay.Machine
	Server  bool

	net     *Network
	dead    bool
	ops     map[overlay.OpID]*Op
	lastOp  overlay.OpID
	inbound map[overlay.ReqID]func(overlay.Reply)
	lastIn  overlay.ReqID
	ticking time.Time // the earliest tick that is queued
}

// Op is an operation that was started at a node.
type Op struct {
	ID     overlay.OpID
	Ended  bool
	Result overlay.Result
	Err    error
	Found  []overlay.Contact
}

// NewNetwork makes an empty network whose randomness comes from the seed.
func NewNetwork(t testing.TB, codec overlay.Codec, seed uint64) *Network {
	return &Network{
		t: t, codec: codec, now: epoch,
		rng:   rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)),
		nodes: make(map[overlay.ID]*Node),
	}
}

// Now is the virtual time.
func (w *Network) Now() time.Time { return w.now }

// Rand is the network's source of randomness.
func (w *Network) Rand() *rand.Rand { return w.rng }

// Nodes are the nodes that are alive, in the order in which they were added.
func (w *Network) Nodes() []*Node {
	var alive []*Node
	for _, n := range w.order {
		if !n.dead {
			alive = append(alive, n)
		}
	}
	return alive
}

// Add puts a machine into the network. It knows nobody until it is told to
// Join. Its addresses are those of the contact.
func (w *Network) Add(c overlay.Contact, m overlay.Machine, server bool) *Node {
	n := &Node{
		Contact: c, Machine: m, Server: server, net: w,
		ops:     make(map[overlay.OpID]*Op),
		inbound: make(map[overlay.ReqID]func(overlay.Reply)),
	}
	if _, exists := w.nodes[c.ID]; exists {
		w.t.Fatalf("overlaytest: two nodes at %s", c.ID)
	}
	w.nodes[c.ID] = n
	w.order = append(w.order, n)
	n.Step(overlay.SelfChanged{Addrs: c.Addrs, Server: server})
	return n
}

// Kill stops a node without a word. Messages on their way to it are lost.
func (w *Network) Kill(n *Node) { n.dead = true }

// Alive reports whether n was not killed.
func (n *Node) Alive() bool { return !n.dead }

// Step gives the node's machine an event now.
func (n *Node) Step(ev overlay.Event) {
	effects := n.Machine.Step(n.net.now, ev)
	for _, eff := range effects {
		n.perform(eff)
	}
	n.arm()
	if n.net.After != nil {
		n.net.After(n)
	}
}

// Start begins an operation and returns its record, which the run fills in.
func (n *Node) Start(q overlay.Query) *Op {
	n.lastOp++
	op := &Op{ID: n.lastOp}
	n.ops[op.ID] = op
	n.Step(overlay.Start{Op: op.ID, Query: q})
	return op
}

// Do runs a query to its end, at most for an hour of virtual time.
func (n *Node) Do(q overlay.Query) *Op {
	n.net.t.Helper()
	op := n.Start(q)
	if !n.net.RunUntil(func() bool { return op.Ended }, time.Hour) {
		n.net.t.Fatalf("overlaytest: %T did not end within an hour", q)
	}
	return op
}

// RunFor lets the given time pass.
func (w *Network) RunFor(d time.Duration) {
	end := w.now.Add(d)
	for w.queue.Len() > 0 && !w.queue[0].at.After(end) {
		w.one()
	}
	w.now = end
}

// RunUntil lets time pass until done, for limit at most, and returns done().
func (w *Network) RunUntil(done func() bool, limit time.Duration) bool {
	end := w.now.Add(limit)
	for !done() {
		if w.queue.Len() == 0 || w.queue[0].at.After(end) {
			return false
		}
		w.one()
	}
	return true
}

func (w *Network) one() {
	e := heap.Pop(&w.queue).(event)
	w.now = e.at
	e.do()
}

func (w *Network) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

func (w *Network) at(at time.Time, do func()) {
	w.seq++
	heap.Push(&w.queue, event{at: at, seq: w.seq, do: do})
}

// arm queues a tick for the machine's deadline unless an earlier one is due.
func (n *Node) arm() {
	at := n.Machine.Deadline()
	if at.IsZero() || n.dead {
		return
	}
	if earliest := n.net.now.Add(time.Millisecond); at.Before(earliest) {
		at = earliest
	}
	if !n.ticking.IsZero() && !at.Before(n.ticking) {
		return
	}
	n.ticking = at
	n.net.at(at, func() {
		if n.dead || !n.ticking.Equal(at) {
			return // killed, or an earlier tick took this one's place
		}
		n.ticking = time.Time{}
		due := n.Machine.Deadline()
		if due.IsZero() || due.After(n.net.now) {
			n.arm()
			return
		}
		n.Step(overlay.Tick{})
	})
}

func (n *Node) perform(eff overlay.Effect) {
	t := n.net.t
	t.Helper()
	switch eff := eff.(type) {
	case overlay.Send:
		n.send(eff)
	case overlay.Reply:
		reply := n.inbound[eff.Req]
		if reply == nil {
			t.Fatalf("overlaytest: a reply to %d, which is unknown or was answered", eff.Req)
		}
		delete(n.inbound, eff.Req)
		reply(eff)
	case overlay.Found:
		op := n.ops[eff.Op]
		if op == nil {
			t.Fatalf("overlaytest: Found for operation %d, which does not run", eff.Op)
		}
		op.Found = append(op.Found, eff.Provider)
	case overlay.Done:
		op := n.ops[eff.Op]
		if op == nil {
			t.Fatalf("overlaytest: Done for operation %d, which does not run", eff.Op)
		}
		delete(n.ops, eff.Op)
		op.Ended, op.Result, op.Err = true, eff.Result, eff.Err
	case overlay.Changed:
	default:
		t.Fatalf("overlaytest: unknown effect %T", eff)
	}
}

// send carries a request to its receiver and the reply back, each encoded and
// decoded on the way.
func (n *Node) send(s overlay.Send) {
	w := n.net
	w.t.Helper()
	if !s.OneWay && s.Timeout <= 0 {
		w.t.Fatalf("overlaytest: %T is sent without a timeout", s.Msg)
	}
	w.Messages++
	msg := w.wire(s.Msg)
	answered := false
	answer := func(a overlay.Answer) {
		if answered || n.dead || s.OneWay {
			return
		}
		answered = true
		n.Step(a)
	}
	if !s.OneWay {
		w.after(s.Timeout, func() { answer(overlay.Answer{Req: s.Req, Err: overlay.ErrTimeout}) })
	}
	to := w.nodes[s.To.ID]
	if to == nil || w.lost(n, to, s.Msg) {
		return
	}
	w.after(w.latency(n, to), func() {
		if to.dead {
			return
		}
		if !to.Server { // a client does not speak the protocol: the dial fails at once
			w.after(w.latency(to, n), func() {
				answer(overlay.Answer{Req: s.Req, Err: errors.New("protocol not supported")})
			})
			return
		}
		to.receive(n, msg, s.OneWay, answer, s.Req)
	})
}

func (n *Node) receive(from *Node, msg overlay.Message, oneWay bool, answer func(overlay.Answer), req overlay.ReqID) {
	w := n.net
	n.lastIn++
	n.inbound[n.lastIn] = func(r overlay.Reply) {
		if oneWay || (r.Msg == nil && r.Err == nil) {
			return
		}
		w.Messages++
		a := overlay.Answer{Req: req, Err: overlay.ErrRefused}
		if r.Err == nil {
			out := r.Msg
			if w.Tamper != nil {
				out = w.Tamper(n, from, out)
			}
			a = overlay.Answer{Req: req, Msg: w.wire(out)}
		}
		if w.lost(n, from, r.Msg) {
			return
		}
		w.after(w.latency(n, from), func() { answer(a) })
	}
	var remote ma.Multiaddr
	if len(from.Addrs) > 0 {
		remote = from.Addrs[0]
	}
	sender := from.Contact // which a test may change
	n.Step(overlay.Inbound{Req: n.lastIn, From: &sender, Remote: remote, Server: from.Server, Msg: msg})
}

// wire sends a message through its encoding, as the driver would.
func (w *Network) wire(m overlay.Message) overlay.Message {
	w.t.Helper()
	b, err := w.codec.Encode(m)
	if err != nil {
		w.t.Fatalf("overlaytest: %T cannot be encoded: %v", m, err)
	}
	out, err := w.codec.Decode(b)
	if err != nil {
		w.t.Fatalf("overlaytest: %T cannot be decoded after encoding: %v", m, err)
	}
	return out
}

func (w *Network) latency(from, to *Node) time.Duration {
	if w.Latency != nil {
		return w.Latency(from, to)
	}
	return 20*time.Millisecond + time.Duration(w.rng.IntN(10_000))*time.Microsecond
}

func (w *Network) lost(from, to *Node, m overlay.Message) bool {
	return w.Lost != nil && w.Lost(from, to, m)
}

// Settled fails the test if a request that a living node received has not been
// answered, and returns the number of operations that still run.
func (w *Network) Settled() (running int) {
	w.t.Helper()
	for _, n := range w.Nodes() {
		if len(n.inbound) > 0 {
			w.t.Errorf("overlaytest: %s left %d requests without a Reply", n.ID.Short(), len(n.inbound))
		}
		running += len(n.ops)
	}
	return running
}

func (n *Node) String() string { return fmt.Sprintf("node %s", n.ID.Short()) }

type event struct {
	at  time.Time
	seq uint64 // first queued, first run: ties never depend on chance
	do  func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}
