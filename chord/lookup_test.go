package chord_test

import (
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/internal/sim"
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
