package sim

import (
	"fmt"
	"math"
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

// World is a network of machines in virtual time. Its methods may be called
// between events, and from the functions that it calls.
type World struct {
	// After is called after every step of a node and after every start and stop
	// of one; an error ends the run. nil checks nothing, and lets the parts of the
	// network run on their own (crew.go).
	After func(n *Node) error
	// OnMember is called when a node is first seen to have joined its overlay since
	// it started: at that event, or soon after it (RunFor). nil does not look.
	OnMember func(n *Node, at time.Duration)

	settings Settings
	rng      *rand.Rand // of Random
	salt     uint64
	least    int64 // no message takes less, in nanoseconds
	now      int64 // nanoseconds since epoch
	shards   [shardCount]shard
	acts     agenda.Agenda[func()]
	nodes    []*Node
	blocks   []block    // of their peer IDs
	all      *Directory // who was there when the world was populated
	live     *Directory // who runs; the same as all until someone comes or goes
	awake    pool
	lastOp   overlay.OpID
	ran      uint64 // acts so far
	digest   uint64 // of what happens to all
	crew     *crew
	apart    bool // the shards run on their own now
	cut      bool // there was one, so that nodes may be on different sides
	depth    int  // steps being performed
	news     news // to be told
	err      error
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
		settings: s, rng: newRand(s.Seed, streamScenario, streamPeers), salt: mix(s.Seed, streamPeers),
		least: int64(s.Latency.Least()), all: newDirectory(nil), digest: s.Seed,
	}
	for i := range w.shards {
		w.shards[i].init(w, i)
	}
	w.live = w.all
	return w, nil
}

// Now is the virtual time since the beginning.
func (w *World) Now() time.Duration { return time.Duration(w.now) }

// timeAt is a virtual moment as machines are told it, timeOf as the owner is.
func timeAt(at int64) time.Time { return epoch.Add(time.Duration(at)) }

func timeOf(at int64) time.Duration { return time.Duration(at) }

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
	i, ok := w.numberOf(c.Peer)
	if !ok {
		return nil
	}
	return w.nodes[i]
}

// numberOf is the number of the node with a peer ID, if there is one.
func (w *World) numberOf(p peer.ID) (number uint32, ok bool) {
	for i := range w.blocks {
		if number, ok = w.blocks[i].number(p); ok {
			return number, int(number) < len(w.nodes)
		}
	}
	number, ok = numberOf(p, w.salt)
	return number, ok && int(number) < len(w.nodes)
}

// Digest is a number that two runs share if, and for all practical purposes only
// if, the same happened in them.
func (w *World) Digest() uint64 {
	d := w.digest
	for i := range w.shards {
		d = mix(d, w.shards[i].digest)
	}
	return d
}

// Events is the number of events run so far.
func (w *World) Events() uint64 { return w.ran + w.total(func(s *shard) uint64 { return s.events }) }

// Messages is the number of messages sent so far.
func (w *World) Messages() uint64 { return w.total(func(s *shard) uint64 { return s.messages }) }

// Bytes is the length of all messages so far; 0 unless they are counted.
func (w *World) Bytes() uint64 { return w.total(func(s *shard) uint64 { return s.bytes }) }

func (w *World) total(of func(*shard) uint64) (sum uint64) {
	for i := range w.shards {
		sum += of(&w.shards[i])
	}
	return sum
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

func (w *World) fail(n *Node, at int64, err error) {
	if w.err == nil {
		w.err = &Failure{Seed: w.settings.Seed, Event: w.Events(), At: time.Duration(at), Node: n.String(), Err: err}
	}
}

// Do calls f after d, before anything else that happens at that moment.
func (w *World) Do(d time.Duration, f func()) { w.acts.Push(w.now+int64(max(0, d)), f) }

// RunFor lets the given time pass, or ends early with the error of a check.
//
// What is to be told of the network, outcomes of queries and OnMember, is told in
// the order of its happening, but up to Latency.Least after it, if nothing is
// checked after every event: then the shards run on their own meanwhile.
func (w *World) RunFor(d time.Duration) error {
	end := w.now + int64(d)
	if w.After == nil && w.least > 0 && w.awake.limit == 0 {
		w.runApart(end)
	} else {
		for w.err == nil && w.one(end) {
		}
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
		if !w.one(end) {
			return false, w.err
		}
	}
	return w.err == nil, w.err
}

// one runs the next event, unless that comes after the end.
func (w *World) one(end int64) bool {
	var first *shard
	at, key := int64(math.MaxInt64), uint64(0)
	for i := range w.shards {
		s := &w.shards[i]
		if s.queue.Len() == 0 {
			continue
		}
		if a, k := s.queue.Head(); a < at || a == at && k < key {
			first, at, key = s, a, k
		}
	}
	if w.act(min(at, end)) {
		return true
	}
	if first == nil || at > end {
		return false
	}
	w.now = at
	first.one()
	return true
}

// act calls the next function of Do, unless that is to be called after a moment.
func (w *World) act(upto int64) bool {
	if w.acts.Len() == 0 || w.acts.Next() > upto {
		return false
	}
	at, f := w.acts.Pop()
	w.now = at
	w.ran++
	f()
	return true
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
