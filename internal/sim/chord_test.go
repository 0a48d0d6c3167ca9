package sim

import (
	"slices"
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
)

// stillChord is a Chord whose nodes do nothing by themselves.
func stillChord(change func(*chord.Config)) Chord {
	var cfg chord.Config
	cfg.Ring.Stabilize, cfg.Ring.SelfLookup, cfg.Ring.Remember = -time.Second, -1, -1
	cfg.Fingers.Refresh, cfg.Limits.PerPeer = -1, -1
	if change != nil {
		change(&cfg)
	}
	return Chord{Config: cfg}
}

// published has the tables of the papers and no upkeep.
func published(c *chord.Config) {
	chord.Published(c)
	c.Ring.Stabilize, c.Fingers.Refresh = -time.Second, -1
}

// TestHopsChord: with the papers' tables, with base-16 fingers alone, and with
// the cache.
func TestHopsChord(t *testing.T) {
	bare := func(c *chord.Config) { c.Cache.Entries = -1 }
	small := func(c *chord.Config) { c.Cache.Entries = 40 }
	for _, c := range []struct {
		name        string
		change      func(*chord.Config)
		n           int
		least, most float64
		entries     int
	}{
		{"alone", nil, 1, 0, 0, 0},
		{"two", nil, 2, .4, .6, 1},
		{"published", published, 1000, 3.65, 4.0, 40},
		{"base 16", bare, 1000, 0, 2.5, 120},
		{"base 16 and a small cache", small, 10_000, 0, 3.1, 120},
		{"everyone", nil, 1000, 0, 2, 1100},
		{"cache", nil, 10_000, 0, 2.1, 1100},
	} {
		r, err := Hops(HopsConfig{
			Settings: Settings{Overlay: stillChord(c.change), Seed: 1, Latency: Constant(20 * time.Millisecond)},
			Nodes:    c.n, Lookups: 1000, Sampled: 100,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s, %d nodes: %.2f hops, %d failed, %.1f requests, entries %.0f (%d), %.1f s", c.name, c.n, r.MeanHops, r.Failed, r.MeanRequests, r.EntriesMean, r.EntriesMax, r.Seconds)
		if r.Failed > 0 || r.MeanHops < c.least || r.MeanHops > c.most || r.EntriesMax > c.entries {
			t.Errorf("%s, %d nodes: want %.2f to %.2f hops with at most %d entries and no failure", c.name, c.n, c.least, c.most, c.entries)
		}
	}
}

// TestForget: a machine that noticed a failure is as it was at first again.
func TestForget(t *testing.T) {
	w, err := New(Settings{Overlay: stillChord(published), Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Populate(100, false); err != nil {
		t.Fatal(err)
	}
	asker := w.Nodes()[0]
	next := func() overlay.ID { return asker.Machine().(*chord.Machine).State().Successors[0] }
	lost := next()
	w.Kill(w.nodes[slices.IndexFunc(w.nodes, func(n *Node) bool { return n.Contact.ID == lost })])
	rng := newRand(3)
	for i := 0; next() == lost; i++ {
		if _, err := w.Lookup(asker, randomKey(rng)); err != nil || i == 10_000 {
			t.Fatalf("the failure was not noticed in %d lookups, %v", i, err)
		}
		run(t, w, time.Minute)
	}
	if w.Forget(); next() != lost {
		t.Error("the failure was not forgotten")
	}
}

// TestChordSlowAnswers: where some answers take far longer than others, a live
// owner that is late does not lose its keys to its successor, and a newcomer
// does not when that one leaves.
func TestChordSlowAnswers(t *testing.T) {
	for name, change := range map[string]func(*chord.Config){"published": chord.Published, "shipped": func(*chord.Config) {}} {
		var cfg chord.Config
		change(&cfg)
		r, err := Churn(ChurnConfig{
			Settings: Settings{Overlay: Chord{Config: cfg}, Seed: 5, Latency: Exponential(50 * time.Millisecond)},
			Nodes:    60, Rate: .02, Lookups: 20, Warmup: time.Minute, Time: 5 * time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d lookups, %d failed, %.2f requests, %.3f timeouts, %.1f s", name, r.Lookups, r.Failed, r.MeanRequests, r.MeanTimeouts, r.Seconds)
		if most := r.Lookups / 1000; r.Failed > most {
			t.Errorf("%s: %d of %d lookups failed, want at most %d", name, r.Failed, r.Lookups, most)
		}
	}
}
