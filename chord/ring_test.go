package chord_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// town is a network of machines under test.
type town struct {
	*overlaytest.Network
	t      *testing.T
	change func(*chord.Config)
	n      int
}

func newTown(t *testing.T, seed uint64, change func(*chord.Config)) *town {
	t.Logf("seed %d", seed)
	w := &town{Network: overlaytest.NewNetwork(t, chord.Codec{}, seed), t: t, change: change}
	w.After = func(n *overlaytest.Node) {
		if err := machine(n).CheckInvariants(); err != nil {
			t.Fatalf("seed %d: %s: %v", seed, n, err)
		}
	}
	return w
}

func machine(n *overlaytest.Node) *chord.Machine { return n.Machine.(*chord.Machine) }

// add puts a node into the network that joins through a random living one.
func (w *town) add(server bool) *overlaytest.Node {
	alive := w.Nodes()
	n := w.put(server)
	if len(alive) > 0 {
		n.Step(overlay.Join{Seeds: []overlay.Contact{alive[w.Rand().IntN(len(alive))].Contact}})
	}
	return n
}

// addApart puts a server into the network that knows nobody.
func (w *town) addApart() *overlaytest.Node { return w.put(true) }

func (w *town) put(server bool) *overlaytest.Node {
	w.n++
	c := overlaytest.Contact(w.n)
	cfg := chord.Config{Self: c, Server: server, Rand: rand.New(rand.NewPCG(w.Rand().Uint64(), 1))}
	if w.change != nil {
		w.change(&cfg)
	}
	m, err := chord.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Add(c, m, server)
}

func (w *town) grow(n int) {
	for range n {
		w.add(true)
		w.RunFor(time.Second)
	}
	w.RunFor(5 * time.Minute)
}

func (w *town) states() (out []chord.State) {
	for _, n := range w.Nodes() {
		out = append(out, machine(n).State())
	}
	return out
}

// settled fails the test unless there is one ideal ring of all servers.
func (w *town) settled() {
	w.t.Helper()
	states := w.states()
	if err := chord.CheckRing(states); err != nil {
		w.t.Error(err)
	}
	if !chord.Ideal(states) {
		w.t.Error("the ring is not ideal")
	}
}

// lookups compares a lookup from every node with the oracle.
func (w *town) lookups() {
	w.t.Helper()
	for _, n := range w.Nodes() {
		key := overlay.RawKey(fmt.Appendf(nil, "key %d", w.Rand().Uint64()))
		op := n.Do(overlay.FindClosest{Key: key})
		if op.Err != nil {
			w.t.Errorf("lookup of %s: %v", key.ID().Short(), op.Err)
			continue
		}
		var all []overlay.Contact
		for _, x := range w.Nodes() {
			if x.Server {
				all = append(all, x.Contact)
			}
		}
		want := clockwise(key.ID(), all, 8)
		if got := op.Result.Path.Closest; !slices.EqualFunc(got, want, func(a, b overlay.Contact) bool { return a.ID == b.ID }) {
			w.t.Errorf("lookup of %s found %d nodes, not what the oracle says", key.ID().Short(), len(got))
		}
	}
}

// clockwise is the oracle: the first n nodes from key on.
func clockwise(key overlay.ID, nodes []overlay.Contact, n int) []overlay.Contact {
	all := slices.Clone(nodes)
	slices.SortFunc(all, func(a, b overlay.Contact) int { return a.ID.Sub(key).Compare(b.ID.Sub(key)) })
	return all[:min(n, len(all))]
}

func TestRingsOfAllSizes(t *testing.T) {
	for _, n := range []int{2, 3, 5, 20, 60} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newTown(t, uint64(n), nil)
			w.grow(n)
			w.settled()
			w.lookups()
			w.Settled()
		})
	}
}

func TestShortLists(t *testing.T) {
	w := newTown(t, 4, func(c *chord.Config) { c.Ring.Successors, c.Copies = 4, 4 })
	w.grow(50)
	w.settled()
}

func TestPublishedSettings(t *testing.T) {
	w := newTown(t, 5, chord.Published)
	w.grow(40)
	w.RunFor(20 * time.Minute)
	w.settled()
	w.lookups()
}

// TestFailures: a third dies at once.
func TestFailures(t *testing.T) {
	w := newTown(t, 6, nil)
	w.grow(60)
	for i, n := range w.Nodes() {
		if i%3 == 1 {
			w.Kill(n)
		}
	}
	for _, n := range w.Nodes() {
		if op := n.Do(overlay.FindClosest{Key: overlay.RawKey(fmt.Append(nil, n.ID))}); op.Err != nil {
			t.Errorf("right after the failures: %v", op.Err)
		}
	}
	w.RunFor(10 * time.Minute)
	w.settled()
	w.lookups()
}

func TestLeave(t *testing.T) {
	w := newTown(t, 7, nil)
	w.grow(30)
	n := w.Nodes()[5]
	n.Step(overlay.Leave{})
	w.RunFor(time.Second)
	w.Kill(n)
	w.RunFor(10 * time.Minute)
	w.settled()
	w.lookups()
}

func TestLoss(t *testing.T) {
	w := newTown(t, 8, nil)
	w.grow(30)
	w.Lost = func(_, _ *overlaytest.Node, _ overlay.Message) bool { return w.Rand().IntN(10) == 0 }
	w.RunFor(5 * time.Minute)
	w.Lost = nil
	w.RunFor(10 * time.Minute)
	w.settled()
	w.lookups()
}

// TestPartition: halves that could not see each other for ten minutes are one
// ring again two minutes after.
func TestPartition(t *testing.T) {
	w := newTown(t, 9, nil)
	w.grow(60)
	side := func(n *overlaytest.Node) int { return int(n.Peer[len(n.Peer)-1]) % 2 }
	w.Lost = func(a, b *overlaytest.Node, _ overlay.Message) bool { return side(a) != side(b) }
	w.RunFor(10 * time.Minute)
	var half []chord.State
	for _, n := range w.Nodes() {
		if side(n) == 0 {
			half = append(half, machine(n).State())
		}
	}
	if err := chord.CheckRing(half); err != nil {
		t.Errorf("one half, by itself: %v", err)
	}
	w.Lost = nil
	start := w.Now()
	for chord.CheckRing(w.states()) != nil && w.Now().Sub(start) < 2*time.Minute {
		w.RunFor(time.Second)
	}
	if err := chord.CheckRing(w.states()); err != nil {
		t.Errorf("two minutes after: %v", err)
	}
	t.Logf("one ring after %v", w.Now().Sub(start))
	w.RunFor(10 * time.Minute)
	w.settled()
	w.lookups()
}

func TestClient(t *testing.T) {
	w := newTown(t, 10, nil)
	w.grow(20)
	client := w.add(false)
	w.RunFor(time.Minute)
	w.settled()
	w.lookups()
	for _, n := range w.Nodes() {
		v := machine(n).View()
		for _, c := range append(v.Successors, v.Fingers...) {
			if c.Contact.ID == client.ID {
				t.Errorf("%s has the client in its table", n)
			}
		}
	}
}

func TestAlone(t *testing.T) {
	w := newTown(t, 11, nil)
	n := w.add(true)
	w.RunFor(time.Hour)
	if op := n.Do(overlay.FindClosest{Key: overlay.RawKey([]byte("x"))}); !errors.Is(op.Err, overlay.ErrNoPeers) {
		t.Errorf("alone: %v", op.Err)
	}
}
