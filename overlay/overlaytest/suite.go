package overlaytest

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// Subject is a machine under test.
type Subject struct {
	// New makes a machine for the node self. All its randomness comes from seed.
	New   func(self overlay.Contact, seed uint64) overlay.Machine
	Codec overlay.Codec
	// Copies is the overlay's own number of responsible nodes (FindClosest N=0).
	Copies int
	// Responsible is the oracle: the n responsible nodes of key among nodes,
	// nearest first.
	Responsible func(key overlay.ID, nodes []overlay.Contact, n int) []overlay.Contact
	// Settle is the virtual time in which a network of a few dozen nodes comes
	// to rest after joins or failures. 0 means five minutes.
	Settle time.Duration
	// Invariants checks one machine after every step; nil checks nothing.
	Invariants func(m overlay.Machine) error
}

// Run holds the subject to the contract of overlay.Machine and to the promises
// of its queries.
func Run(t *testing.T, s Subject) {
	if s.Settle == 0 {
		s.Settle = 5 * time.Minute
	}
	t.Run("alone", s.testAlone)
	t.Run("two", s.testTwo)
	t.Run("closest", s.testClosest)
	t.Run("closest with dead nodes", s.testDead)
	t.Run("providers", s.testProviders)
	t.Run("late joiner finds and is found", s.testLateJoiner)
	t.Run("client", s.testClient)
	t.Run("cancel", s.testCancel)
	t.Run("leave", s.testLeave)
	t.Run("strangers", s.testStrangers)
	t.Run("loss", s.testLoss)
	t.Run("determinism", s.testDeterminism)
}

// PeerID makes a valid peer ID (an identity multihash of i) for tests.
func PeerID(i int) peer.ID {
	return peer.ID(append([]byte{0x00, 8}, byte(i>>56), byte(i>>48), byte(i>>40), byte(i>>32), byte(i>>24), byte(i>>16), byte(i>>8), byte(i)))
}

// Contact makes the i-th test node: a private address of its own.
func Contact(i int) overlay.Contact {
	addr := fmt.Sprintf("/ip4/10.%d.%d.%d/tcp/4001", i>>16&255, i>>8&255, i&255)
	return overlay.NewContact(PeerID(i), ma.StringCast(addr))
}

// Build makes a network of n servers, each joined through one random earlier
// node, and lets it settle.
func (s Subject) Build(t testing.TB, n int, seed uint64) *Network {
	t.Helper()
	t.Logf("seed %d", seed)
	w := NewNetwork(t, s.Codec, seed)
	if s.Invariants != nil {
		w.After = func(n *Node) {
			if err := s.Invariants(n.Machine); err != nil {
				t.Fatalf("overlaytest: seed %d: %s: %v", seed, n, err)
			}
		}
	}
	for i := range n {
		s.join(w, i, true)
		w.RunFor(time.Second)
	}
	w.RunFor(s.Settle)
	return w
}

// join adds the i-th node and lets it join through a random living one.
func (s Subject) join(w *Network, i int, server bool) *Node {
	alive := w.Nodes()
	c := Contact(i + 1)
	n := w.Add(c, s.New(c, w.rng.Uint64()), server)
	if len(alive) > 0 {
		n.Step(overlay.Join{Seeds: []overlay.Contact{alive[w.rng.IntN(len(alive))].Contact}})
	}
	return n
}

func contacts(nodes []*Node) []overlay.Contact {
	var cs []overlay.Contact
	for _, n := range nodes {
		if n.Server {
			cs = append(cs, n.Contact)
		}
	}
	return cs
}

func randomKey(w *Network) overlay.Key {
	return overlay.RawKey(fmt.Appendf(nil, "key %d", w.rng.Uint64()))
}

func (s Subject) check(t *testing.T, w *Network, key overlay.Key, op *Op, n int) {
	t.Helper()
	if op.Err != nil {
		t.Fatalf("lookup of %s: %v", key.ID().Short(), op.Err)
	}
	want := s.Responsible(key.ID(), contacts(w.Nodes()), n)
	got := op.Result.Path.Closest
	if !slices.EqualFunc(got, want, func(a, b overlay.Contact) bool { return a.ID == b.ID }) {
		t.Errorf("lookup of %s found %s, the oracle says %s", key.ID().Short(), names(got), names(want))
	}
	for i, step := range op.Result.Path.Steps {
		if step.Via >= i || (step.Via < 0) != (step.Hop == 1) {
			t.Errorf("step %d of the path: via %d at hop %d", i, step.Via, step.Hop)
		}
	}
}

func names(cs []overlay.Contact) (out []string) {
	for _, c := range cs {
		out = append(out, c.ID.Short())
	}
	return out
}

func (s Subject) testAlone(t *testing.T) {
	w := s.Build(t, 1, 1)
	n := w.Nodes()[0]
	for _, q := range []overlay.Query{
		overlay.FindClosest{Key: randomKey(w)},
		overlay.FindProviders{Key: randomKey(w)},
		overlay.Provide{Key: randomKey(w)},
	} {
		if op := n.Do(q); !errors.Is(op.Err, overlay.ErrNoPeers) {
			t.Errorf("%T alone ended with %v, want ErrNoPeers", q, op.Err)
		}
	}
	if running := w.Settled(); running != 0 {
		t.Errorf("%d operations still run", running)
	}
}

func (s Subject) testTwo(t *testing.T) {
	w := s.Build(t, 2, 2)
	for _, n := range w.Nodes() {
		key := randomKey(w)
		s.check(t, w, key, n.Do(overlay.FindClosest{Key: key}), s.Copies)
	}
}

func (s Subject) testClosest(t *testing.T) {
	for _, n := range []int{5, 30, 120} {
		w := s.Build(t, n, uint64(n))
		for range 3 {
			for _, node := range w.Nodes() {
				key := randomKey(w)
				s.check(t, w, key, node.Do(overlay.FindClosest{Key: key}), s.Copies)
			}
		}
		key := randomKey(w)
		s.check(t, w, key, w.Nodes()[0].Do(overlay.FindClosest{Key: key, N: 3}), 3)
		w.Settled()
	}
}

// testDead kills a third at once: what is found must be right again after the
// network had time to notice, and lookups meanwhile must end.
func (s Subject) testDead(t *testing.T) {
	w := s.Build(t, 60, 6)
	for i, n := range w.Nodes() {
		if i%3 == 1 {
			w.Kill(n)
		}
	}
	for _, n := range w.Nodes() {
		if op := n.Do(overlay.FindClosest{Key: randomKey(w)}); op.Err != nil {
			t.Errorf("lookup right after the failures: %v", op.Err)
		}
	}
	w.RunFor(4 * s.Settle)
	for _, n := range w.Nodes() {
		key := randomKey(w)
		s.check(t, w, key, n.Do(overlay.FindClosest{Key: key}), s.Copies)
	}
}

func (s Subject) testProviders(t *testing.T) {
	w := s.Build(t, 40, 7)
	nodes := w.Nodes()
	for i := range 20 {
		key := randomKey(w)
		providers := []*Node{nodes[i], nodes[(i+7)%len(nodes)]}
		for _, p := range providers {
			if op := p.Do(overlay.Provide{Key: key}); op.Err != nil || op.Result.Stored == 0 {
				t.Fatalf("provide: stored at %d, %v", op.Result.Stored, op.Err)
			}
		}
		w.RunFor(time.Second) // one-way messages are on their way
		for _, asker := range nodes {
			op := asker.Do(overlay.FindProviders{Key: key})
			if op.Err != nil {
				t.Fatalf("find providers: %v", op.Err)
			}
			for _, p := range providers {
				count := 0
				for _, f := range op.Found {
					if f.ID == p.ID {
						count++
						if p != asker && len(f.Addrs) == 0 {
							t.Errorf("provider %s came without an address", p.ID.Short())
						}
					}
				}
				if count != 1 {
					t.Errorf("provider %s was found %d times", p.ID.Short(), count)
				}
			}
		}
	}
	op := nodes[0].Do(overlay.FindProviders{Key: randomKey(w)})
	if len(op.Found) > 0 || (op.Err != nil && !errors.Is(op.Err, overlay.ErrNotFound)) {
		t.Errorf("a key that nobody provides: %d found, %v", len(op.Found), op.Err)
	}
}

// testLateJoiner is the two laptops: one provides while alone, the other comes
// later, and finds it without anyone doing anything.
func (s Subject) testLateJoiner(t *testing.T) {
	w := s.Build(t, 1, 8)
	first := w.Nodes()[0]
	key := randomKey(w)
	first.Do(overlay.Provide{Key: key})
	w.RunFor(time.Hour)
	second := s.join(w, 1, true)
	w.RunFor(time.Minute)
	op := second.Do(overlay.FindProviders{Key: key})
	if op.Err != nil || len(op.Found) != 1 || op.Found[0].ID != first.ID {
		t.Errorf("the late joiner found %s, %v", names(op.Found), op.Err)
	}
}

// testClient: a node that only asks finds everything and is never handed out.
func (s Subject) testClient(t *testing.T) {
	w := s.Build(t, 30, 9)
	client := s.join(w, 30, false)
	w.RunFor(s.Settle)
	key := randomKey(w)
	s.check(t, w, key, client.Do(overlay.FindClosest{Key: key}), s.Copies)
	if op := client.Do(overlay.Provide{Key: key}); op.Err != nil {
		t.Fatalf("a client provides: %v", op.Err)
	}
	w.RunFor(time.Second)
	found := w.Nodes()[0].Do(overlay.FindProviders{Key: key}).Found
	if len(found) != 1 || found[0].ID != client.ID {
		t.Errorf("the client's record was found as %s", names(found))
	}
	for _, n := range w.Nodes() {
		self := overlay.PeerKey(client.Peer)
		op := n.Do(overlay.FindClosest{Key: self})
		for _, c := range op.Result.Path.Closest {
			if c.ID == client.ID {
				t.Errorf("%s hands out the client as a responsible node", n)
			}
		}
	}
}

func (s Subject) testCancel(t *testing.T) {
	w := s.Build(t, 30, 10)
	n := w.Nodes()[3]
	for _, q := range []overlay.Query{
		overlay.FindClosest{Key: randomKey(w)},
		overlay.FindProviders{Key: randomKey(w)},
		overlay.Provide{Key: randomKey(w)},
	} {
		op := n.Start(q)
		if op.Ended {
			continue // answered from its own table: nothing to cancel
		}
		n.Step(overlay.Cancel{Op: op.ID})
		if !op.Ended || !errors.Is(op.Err, overlay.ErrCanceled) {
			t.Errorf("%T after Cancel: ended %v with %v", q, op.Ended, op.Err)
		}
	}
	n.Step(overlay.Cancel{Op: 999})
	w.RunFor(time.Minute)
	w.Settled()
}

func (s Subject) testLeave(t *testing.T) {
	w := s.Build(t, 30, 11)
	n := w.Nodes()[5]
	op := n.Start(overlay.FindClosest{Key: randomKey(w)})
	n.Step(overlay.Leave{})
	if !op.Ended {
		t.Error("Leave left an operation running")
	}
	w.RunFor(5 * time.Second)
	if op := n.Do(overlay.FindClosest{Key: randomKey(w)}); !errors.Is(op.Err, overlay.ErrClosed) {
		t.Errorf("a lookup after Leave ended with %v", op.Err)
	}
	w.Kill(n)
	w.RunFor(4 * s.Settle)
	for _, n := range w.Nodes() {
		key := randomKey(w)
		s.check(t, w, key, n.Do(overlay.FindClosest{Key: key}), s.Copies)
	}
}

// testStrangers: answers and cancels that nobody asked for change nothing, and
// a tick may come at any time.
func (s Subject) testStrangers(t *testing.T) {
	w := s.Build(t, 10, 12)
	for _, n := range w.Nodes() {
		n.Step(overlay.Answer{Req: 1 << 60, Err: overlay.ErrTimeout})
		n.Step(overlay.Answer{Req: 1<<60 + 1})
		n.Step(overlay.Cancel{Op: 1 << 60})
		n.Step(overlay.Tick{})
		n.Step(overlay.Gone{Peer: PeerID(1 << 40)})
		n.Step(overlay.Join{})
		n.Step(overlay.Join{Seeds: []overlay.Contact{n.Contact}})
	}
	w.RunFor(s.Settle)
	for _, n := range w.Nodes() {
		key := randomKey(w)
		s.check(t, w, key, n.Do(overlay.FindClosest{Key: key}), s.Copies)
	}
	w.Settled()
}

// testLoss: with a tenth of all messages lost every operation ends, and when
// the network is well again everything is found.
func (s Subject) testLoss(t *testing.T) {
	w := s.Build(t, 40, 13)
	w.Lost = func(_, _ *Node, _ overlay.Message) bool { return w.rng.IntN(10) == 0 }
	for range 3 {
		for _, n := range w.Nodes() {
			if op := n.Do(overlay.FindClosest{Key: randomKey(w)}); op.Err != nil {
				t.Errorf("lookup under loss: %v", op.Err)
			}
		}
	}
	w.Lost = nil
	w.RunFor(4 * s.Settle)
	for _, n := range w.Nodes() {
		key := randomKey(w)
		s.check(t, w, key, n.Do(overlay.FindClosest{Key: key}), s.Copies)
	}
}

// testDeterminism: the same seed gives the same run, message by message.
func (s Subject) testDeterminism(t *testing.T) {
	trace := func() (uint64, int) {
		w := NewNetwork(t, s.Codec, 14)
		h := fnv.New64a()
		w.Tamper = func(from, to *Node, m overlay.Message) overlay.Message {
			b, err := s.Codec.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(h, "%d %s>%s %x\n", w.now.UnixNano(), from.ID.Short(), to.ID.Short(), b)
			return m
		}
		for i := range 25 {
			s.join(w, i, true)
			w.RunFor(time.Second)
		}
		w.RunFor(s.Settle)
		for _, n := range w.Nodes() {
			n.Do(overlay.Provide{Key: randomKey(w)})
			n.Do(overlay.FindProviders{Key: randomKey(w)})
		}
		return h.Sum64(), w.Messages
	}
	h1, n1 := trace()
	h2, n2 := trace()
	if h1 != h2 || n1 != n2 {
		t.Errorf("two runs of one seed differ: %d and %d messages", n1, n2)
	}
}
