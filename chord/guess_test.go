package chord_test

import (
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/internal/sim"
)

// frozen is a network whose nodes do nothing by themselves.
func frozen(change func(*chord.Config)) sim.Chord {
	var cfg chord.Config
	cfg.Ring.Stabilize, cfg.Ring.SelfLookup, cfg.Ring.Remember = -1, -1, -1
	cfg.Fingers.Refresh, cfg.Limits.PerPeer = -1, -1
	change(&cfg)
	return sim.Chord{Config: cfg}
}

// TestGuesses: asking probable owners at once finds the owners that the oracle
// names, in fewer hops, and with fewer requests in the mean, however many nodes the
// tables hold; also when a tenth of all nodes have died and nobody knows it yet.
func TestGuesses(t *testing.T) {
	for _, c := range []struct {
		name  string
		n     int
		cache int
		dead  float64
		saved float64 // hops, at least
	}{
		{"everyone known", 1000, 1000, 0, .8},
		{"most known", 1000, 500, 0, .3},
		{"few known", 2000, 40, 0, .03},
		{"many, thinned out", 8000, 400, 0, .2},
		{"stale", 1000, 500, .1, .2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var with, without sim.HopsResult
			for _, guess := range []float64{0, -1} {
				r, err := sim.Hops(sim.HopsConfig{
					Settings: sim.Settings{Seed: 3, Overlay: frozen(func(cfg *chord.Config) {
						cfg.Cache.Entries, cfg.Lookup.Guess = c.cache, guess
					})},
					Nodes: c.n, Lookups: 3000, Sampled: 10, Dead: c.dead,
				})
				if err != nil {
					t.Fatal(err)
				}
				if r.Failed > 0 {
					t.Errorf("seed 3, Guess %v: %d lookups did not find the owner", guess, r.Failed)
				}
				if guess < 0 {
					without = r
				} else {
					with = r
				}
			}
			t.Logf("hops %.3f instead of %.3f, requests %.3f instead of %.3f, timeouts %.3f instead of %.3f",
				with.MeanHops, without.MeanHops, with.MeanRequests, without.MeanRequests, with.MeanTimeouts, without.MeanTimeouts)
			if with.MeanHops > without.MeanHops-c.saved || with.MeanRequests > without.MeanRequests {
				t.Errorf("guessing saves less than %.2f hops, or costs requests", c.saved)
			}
		})
	}
}

// TestGuessesUnderChurn: among nodes that come and go, half of them without a word,
// lookups that guess fail no more often than those that do not, beyond chance.
func TestGuessesUnderChurn(t *testing.T) {
	run := func(guess float64) sim.ChurnResult {
		var cfg chord.Config
		cfg.Lookup.Guess, cfg.Limits.PerPeer = guess, -1
		r, err := sim.Churn(sim.ChurnConfig{
			Settings: sim.Settings{Seed: 5, Overlay: sim.Chord{Config: cfg}, Latency: sim.Constant(20 * time.Millisecond)},
			Nodes:    150, Session: 20 * time.Minute, Silent: .5,
			Warmup: 5 * time.Minute, Time: 15 * time.Minute, Lookups: 5,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("seed 5, Guess %v: %d of %d lookups failed, %.3f hops, %.3f requests, %.3f timeouts, %.1f entries",
			guess, r.Failed, r.Lookups, r.MeanHops, r.MeanRequests, r.MeanTimeouts, r.EntriesMean)
		return r
	}
	with, without := run(0), run(-1)
	if with.Failed > without.Failed+5 || with.MeanHops > without.MeanHops-.2 {
		t.Errorf("%d failures and %.2f hops with guessing, %d and %.2f without", with.Failed, with.MeanHops, without.Failed, without.MeanHops)
	}
}
