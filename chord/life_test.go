package chord_test

import (
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// TestFoundersAtOnce: a ring begins with everybody joining a single node at the
// same moment, which is below the base of Zave's proof.
func TestFoundersAtOnce(t *testing.T) {
	w := newTown(t, 21, nil)
	first := w.add(true)
	for range 9 {
		n := w.add(true)
		n.Step(overlay.Join{Seeds: []overlay.Contact{first.Contact}})
	}
	w.RunFor(3 * time.Minute)
	w.settled()
	w.lookups()
}

// TestMutualSeeds: two nodes that are each other's seed make one ring.
func TestMutualSeeds(t *testing.T) {
	w := newTown(t, 22, nil)
	a, b := w.add(true), w.add(true)
	a.Step(overlay.Join{Seeds: []overlay.Contact{b.Contact}})
	w.RunFor(time.Minute)
	w.settled()
	w.lookups()
}

// TestSeen: nodes that the transport shows to each other become one ring, though
// nobody gave them a seed: two laptops on one network.
func TestSeen(t *testing.T) {
	w := newTown(t, 23, nil)
	a := w.add(true)
	c := overlaytest.Contact(77)
	m, err := chord.New(chord.Config{Self: c, Server: true, Rand: w.Rand()})
	if err != nil {
		t.Fatal(err)
	}
	b := w.Add(c, m, true)
	a.Step(overlay.Seen{Contact: b.Contact})
	b.Step(overlay.Seen{Contact: a.Contact})
	w.RunFor(time.Minute)
	w.settled()
}

// TestTwoRingsMeet: two rings that never knew each other become one when a single
// node of one sees a node of the other.
func TestTwoRingsMeet(t *testing.T) {
	w := newTown(t, 24, nil)
	w.grow(10)
	ten := w.Nodes()
	other := w.addApart()
	for range 9 {
		n := w.addApart()
		n.Step(overlay.Join{Seeds: []overlay.Contact{other.Contact}})
		w.RunFor(time.Second)
	}
	w.RunFor(2 * time.Minute)
	if chord.CheckRing(w.states()) == nil {
		t.Fatal("the rings were never two")
	}
	ten[0].Step(overlay.Seen{Contact: other.Contact})
	w.RunFor(5 * time.Minute)
	w.settled()
	w.lookups()
}

// TestStrangeEvents: answers nobody asked for, ticks at any time and seeds that
// are this node itself change nothing.
func TestStrangeEvents(t *testing.T) {
	w := newTown(t, 25, nil)
	w.grow(10)
	for _, n := range w.Nodes() {
		n.Step(overlay.Answer{Req: 1 << 60, Err: overlay.ErrTimeout})
		n.Step(overlay.Cancel{Op: 1 << 60})
		n.Step(overlay.Tick{})
		n.Step(overlay.Gone{Peer: overlaytest.PeerID(1 << 40)})
		n.Step(overlay.Join{})
		n.Step(overlay.Join{Seeds: []overlay.Contact{n.Contact}})
	}
	w.RunFor(5 * time.Minute)
	w.settled()
	w.lookups()
	w.Settled()
}

// TestRoleChange: a server that becomes a client leaves the ring, and comes back.
func TestRoleChange(t *testing.T) {
	w := newTown(t, 26, nil)
	w.grow(10)
	n := w.Nodes()[3]
	n.Server = false
	n.Step(overlay.SelfChanged{Addrs: n.Addrs, Server: false})
	w.RunFor(5 * time.Minute)
	w.settled()
	n.Server = true
	n.Step(overlay.SelfChanged{Addrs: n.Addrs, Server: true})
	w.RunFor(5 * time.Minute)
	w.settled()
	w.lookups()
}

// TestJoinThroughSuccessor: the only seed of a newcomer is the node that will be
// its successor, in a ring that is too large to be walked around.
func TestJoinThroughSuccessor(t *testing.T) {
	w := newTown(t, 27, func(c *chord.Config) { c.Ring.Successors, c.Cache.Entries = 3, -1 })
	w.grow(60)
	n := w.addApart()
	next := clockwise(n.ID, contactsOf(w.Nodes()), 2)[1]
	n.Step(overlay.Join{Seeds: []overlay.Contact{next}})
	w.RunFor(5 * time.Minute)
	if !machine(n).State().Member {
		t.Error("the newcomer is still outside")
	}
	w.settled()
}
