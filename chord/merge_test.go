package chord_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// growApart adds n nodes that enter through each other and know nobody else.
func (w *town) growApart(n int) (nodes []*overlaytest.Node) {
	for i := range n {
		x := w.addApart()
		if i > 0 {
			x.Step(overlay.Join{Seeds: []overlay.Contact{nodes[(i-1)/2].Contact}})
		}
		nodes = append(nodes, x)
		w.RunFor(300 * time.Millisecond)
	}
	return nodes
}

// TestTwoRingsMergeSoon: as soon as a single node is told of two rings, in any
// way, they become one from node to node, without waiting for anybody's turn: all
// are in order within a second for every node of theirs.
func TestTwoRingsMergeSoon(t *testing.T) {
	spark := map[string]func(w *town, a, b []*overlaytest.Node){
		"a node with a seed in each": func(w *town, a, b []*overlaytest.Node) {
			w.addApart().Step(overlay.Join{Seeds: []overlay.Contact{a[1].Contact, b[1].Contact}})
		},
		"a node that remembers one and has a seed in the other": func(w *town, a, b []*overlaytest.Node) {
			seeds := []overlay.Contact{b[1].Contact}
			for _, n := range a {
				seeds = append(seeds, n.Contact)
			}
			w.addApart().Step(overlay.Join{Seeds: seeds})
		},
		"a node that sees one of the other": func(_ *town, a, b []*overlaytest.Node) {
			a[0].Step(overlay.Seen{Contact: b[0].Contact})
		},
	}
	for name, begin := range spark {
		for _, size := range []int{2, 3, 6, 12, 24} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				w := newTown(t, uint64(300+size), nil)
				a, b := w.growApart(size), w.growApart(size)
				w.RunFor(30 * time.Second)
				if chord.CheckRing(w.states()) == nil {
					t.Fatal("the rings were never two")
				}
				begin(w, a, b)
				start, limit := w.Now(), 4*time.Second+time.Duration(2*size)*time.Second
				for !chord.Ideal(w.states()) && w.Now().Sub(start) < limit {
					w.RunFor(100 * time.Millisecond)
				}
				t.Logf("one ring after %v", w.Now().Sub(start))
				w.settled()
			})
		}
	}
}

// TestManyJoinAtOnce: nodes of which a dozen comes into one gap of the ring at the
// same moment find their order within seconds.
func TestManyJoinAtOnce(t *testing.T) {
	w := newTown(t, 330, nil)
	w.growApart(2)
	for range 30 {
		w.add(true)
	}
	inOrder := func() bool {
		states := w.states()
		outside := slices.ContainsFunc(states, func(s chord.State) bool { return !s.Member })
		return !outside && chord.Ideal(states)
	}
	start := w.Now()
	for !inOrder() && w.Now().Sub(start) < 20*time.Second {
		w.RunFor(100 * time.Millisecond)
	}
	t.Logf("in order after %v", w.Now().Sub(start))
	w.settled()
}
