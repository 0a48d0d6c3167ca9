package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/internal/sim/agenda"
	"ringswap/overlay"
)

// epoch is when every virtual run begins.
var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// minTick is the least time between two ticks of a machine, as in a Driver.
const minTick = time.Millisecond

// kind says what an event is.
type kind uint8

const (
	evDeliver kind = iota // a request reaches its receiver; arg: exchange
	evAnswer              // an answer, or the lack of one, reaches the asker; arg: exchange
	evTick                // a machine's deadline; arg: node
	evAct                 // the owner's own event; arg: index of its function
)

// event is something that is about to happen. It is a small value without pointers.
type event struct {
	arg  uint32
	gen  uint32 // of what arg names; an event of an older generation is void
	kind kind
}

// World is a network of machines in virtual time. Its methods may be called
// between events, and from the functions that it calls.
type World struct {
	// After is called after every step of a node and after every start and stop
	// of one; an error ends the run. nil checks nothing.
	After func(n *Node) error

	// Counted so far: events run, machine steps, messages sent and, if wanted,
	// the bytes of these.
	Events, Steps, Messages, Bytes uint64

	settings Settings
	rng      *rand.Rand // of the network: delays and losses
	salt     uint64
	now      int64 // nanoseconds since epoch
	queue    agenda.Agenda[event]
	nodes    []*Node
	all      *Directory // who was there when the world was populated
	live     *Directory // who runs; the same as all until someone comes or goes
	awake    pool

	exchanges []exchange
	free      []uint32
	ops       map[overlay.OpID]*operation
	lastOp    overlay.OpID
	acts      []func()
	freeActs  []uint32
	depth     int      // steps being performed
	endings   []func() // outcomes to be told
	digest    uint64
	err       error
}

// New makes an empty world.
func New(s Settings) (*World, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	s = s.withDefaults()
	if l, ok := s.Latency.(seeded); ok {
		s.Latency = l.seed(mix(s.Seed, streamPlace))
	}
	w := &World{
		settings: s, rng: newRand(s.Seed, streamNetwork), salt: mix(s.Seed, streamPeers),
		all: newDirectory(nil), ops: make(map[overlay.OpID]*operation), digest: s.Seed,
	}
	w.live = w.all
	w.awake.limit = s.Machines
	return w, nil
}

// Now is the virtual time since the beginning.
func (w *World) Now() time.Duration { return time.Duration(w.now) }

func (w *World) time() time.Time { return epoch.Add(time.Duration(w.now)) }

// Settings are those of the run, with the defaults filled in.
func (w *World) Settings() Settings { return w.settings }

// Live is the directory of the nodes that run, clients among them. It is for
// reading, and changes when nodes come and go.
func (w *World) Live() *Directory { return w.live }

// Nodes are all nodes that ever were, by number.
func (w *World) Nodes() []*Node { return w.nodes }

// Node returns the node of a contact, or nil if there never was one.
func (w *World) Node(c *overlay.Contact) *Node { return w.nodeOf(c) }

func (w *World) nodeOf(c *overlay.Contact) *Node {
	i, ok := numberOf(c.Peer, w.salt)
	if !ok || int(i) >= len(w.nodes) {
		return nil
	}
	return w.nodes[i]
}

// Digest is a number that two runs share if, and for all practical purposes only
// if, the same happened in them.
func (w *World) Digest() uint64 { return w.digest }

// note takes an occurrence into the digest.
func (w *World) note(what, when uint64) {
	h := (w.digest ^ what) * 0x9e3779b97f4a7c15
	h ^= h >> 32
	h = (h ^ when) * 0xbf58476d1ce4e5b9
	w.digest = h ^ h>>29
}

// Err is why the run was ended early, if it was: a *Failure.
func (w *World) Err() error { return w.err }

// Failure is a check that failed, with what it takes to see it fail again.
type Failure struct {
	Seed  uint64
	Event uint64 // the number of the event after which it failed
	At    time.Duration
	Node  string
	Err   error
}

// Error says what failed, where and when.
func (f *Failure) Error() string {
	return fmt.Sprintf("sim: seed %d, event %d, %v, %s: %v", f.Seed, f.Event, f.At, f.Node, f.Err)
}

// Unwrap returns what the check said.
func (f *Failure) Unwrap() error { return f.Err }

func (w *World) fail(n *Node, err error) {
	if w.err == nil {
		w.err = &Failure{Seed: w.settings.Seed, Event: w.Events, At: w.Now(), Node: n.String(), Err: err}
	}
}

// Do calls f after d.
func (w *World) Do(d time.Duration, f func()) {
	var i uint32
	if last := len(w.freeActs) - 1; last >= 0 {
		i = w.freeActs[last]
		w.freeActs = w.freeActs[:last]
		w.acts[i] = f
	} else {
		i = uint32(len(w.acts))
		w.acts = append(w.acts, f)
	}
	w.queue.Push(w.now+int64(max(0, d)), event{kind: evAct, arg: i})
}

// RunFor lets the given time pass, or ends early with the error of a check.
func (w *World) RunFor(d time.Duration) error {
	end := w.now + int64(d)
	for w.err == nil && w.queue.Len() > 0 && w.queue.Next() <= end {
		w.one()
	}
	if w.err == nil {
		w.now = end
	}
	return w.err
}

// RunUntil lets time pass until done, but no longer than limit. It returns
// done() and the error of a check that failed.
func (w *World) RunUntil(done func() bool, limit time.Duration) (bool, error) {
	end := w.now + int64(limit)
	for w.err == nil && !done() {
		if w.queue.Len() == 0 || w.queue.Next() > end {
			return false, w.err
		}
		w.one()
	}
	return w.err == nil, w.err
}

// one runs the next event.
func (w *World) one() {
	at, e := w.queue.Pop()
	switch e.kind {
	case evDeliver, evAnswer:
		if w.exchanges[e.arg].gen != e.gen {
			return
		}
	case evTick:
		if w.nodes[e.arg].ticks != e.gen {
			return
		}
	case evAct:
	}
	w.now = at
	w.Events++
	switch e.kind {
	case evDeliver:
		w.deliver(e.arg)
	case evAnswer:
		w.answer(e.arg)
	case evTick:
		w.ticked(w.nodes[e.arg])
	case evAct:
		f := w.acts[e.arg]
		w.acts[e.arg] = nil
		w.freeActs = append(w.freeActs, e.arg)
		f()
	}
}

// contact makes the contact of a new node.
func (w *World) contact(p peer.ID, number uint32) overlay.Contact {
	c := overlay.NewContact(p)
	if w.settings.CountBytes {
		c.Addrs = addrsOf(number)
	}
	return c
}

// addrsOf are two private addresses, for runs in which length matters.
func addrsOf(number uint32) []ma.Multiaddr {
	ip := fmt.Sprintf("/ip4/10.%d.%d.%d", number>>16&255, number>>8&255, number&255)
	return []ma.Multiaddr{ma.StringCast(ip + "/tcp/4001"), ma.StringCast(ip + "/udp/4001/quic-v1")}
}
