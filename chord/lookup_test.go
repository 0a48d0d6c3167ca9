package chord_test

import (
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/internal/sim"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// TestHalfDead: half of the nodes die at once and nobody mends the ring (ToN,
// table II at p=.5). No lookup fails as long as anybody on a list of 20 lives, though
// all of the first 8 owners may be dead, and all contacts that were tried first.
func TestHalfDead(t *testing.T) {
	for seed := range uint64(3) {
		r, err := sim.Hops(sim.HopsConfig{
			Settings: sim.Settings{Seed: seed, Latency: sim.Constant(50 * time.Millisecond), Overlay: frozen(func(c *chord.Config) {
				chord.Published(c)
				c.Ring.Stabilize, c.Fingers.Refresh = -1, -1
			})},
			Nodes: 1000, Lookups: 3000, Dead: .5, Sampled: 10,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("seed %d: %d of %d failed, %.2f hops, %.2f timeouts", seed, r.Failed, r.Lookups, r.MeanHops, r.MeanTimeouts)
		if r.Failed > 0 {
			t.Errorf("seed %d: %d of %d lookups failed", seed, r.Failed, r.Lookups)
		}
	}
}

// TestOwnPlaceTakesFewRequests: a node in a ring that is as it should be looks up
// its own place on the way there alone: the one before it ends the search.
func TestOwnPlaceTakesFewRequests(t *testing.T) {
	const nodes, minutes = 60, 10
	w := newTown(t, 31, func(cfg *chord.Config) {
		cfg.Ring.Successors, cfg.Ring.SelfLookup = 8, 10*time.Second
		cfg.Fingers.Refresh, cfg.Cache.Entries = -1, 20
	})
	w.grow(nodes)
	finds := 0
	w.Lost = func(_, _ *overlaytest.Node, msg overlay.Message) bool {
		if _, ok := msg.(*chord.FindRequest); ok {
			finds++
		}
		return false
	}
	w.RunFor(minutes * time.Minute)
	each := float64(finds) / (nodes * minutes * 6)
	t.Logf("%.2f requests a lookup", each)
	if each > 4 {
		t.Errorf("%.2f requests for a node's own place", each)
	}
	w.settled()
}
