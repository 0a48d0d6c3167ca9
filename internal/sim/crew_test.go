package sim

import (
	"runtime"
	"testing"
	"time"
)

// TestWorkers: what happens does not depend on how many workers run the network,
// nor on whether it is run in windows or one event after the other.
func TestWorkers(t *testing.T) {
	for name, cfg := range map[string]ChurnConfig{
		"chord":    {Settings: Settings{Overlay: Chord{}, Latency: Cities{Jitter: 5 * time.Millisecond}, Loss: .01}},
		"kademlia": {Settings: Settings{Overlay: Kademlia{}, Latency: Constant(50 * time.Millisecond), CountBytes: true}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Seed, cfg.Nodes, cfg.Session, cfg.Silent, cfg.Lookups = 7, 150, 10*time.Minute, .5, 20
			cfg.Warmup, cfg.Time = 5*time.Second, 15*time.Second
			var first ChurnResult
			for _, workers := range []int{1, 2, 5, 16} {
				cfg.Workers = workers
				r, err := Churn(cfg)
				if err != nil {
					t.Fatal(err)
				}
				r.Seconds, r.PeakMiB, r.Histogram = 0, 0, nil
				if workers == 1 {
					first = r
					t.Logf("%+v", r)
				}
				if r.Digest != first.Digest || r.MeanMillis != first.MeanMillis || r.Events != first.Events ||
					r.BytesPerNode != first.BytesPerNode || r.EntriesMean != first.EntriesMean || r.Lookups != first.Lookups {
					t.Errorf("seed %d: %d workers make it another run:\n%+v\n%+v", cfg.Seed, workers, r, first)
				}
			}
		})
	}
}

// TestWindows: a network that is run in windows is what it is one event after the
// other, whether or not its workers think that help pays.
func TestWindows(t *testing.T) {
	digest := func(workers int, run func(w *World) error) uint64 {
		w, err := New(Settings{Overlay: Chord{}, Seed: 5, Latency: Constant(50 * time.Millisecond), Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Populate(100, true); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := run(w); err != nil {
				t.Fatal(err)
			}
			w.Kill(w.nodes[i])
			w.Join(w.Add(true), w.nodes[50])
		}
		if w.crew != nil && workers > 1 {
			helped := w.crew.epoch.Load()
			t.Logf("%d workers, %d events, %d windows with help", workers, w.Events(), helped)
			if helped < 50 {
				t.Errorf("help was wanted %d times in %d events", helped, w.Events())
			}
		}
		return w.Digest()
	}
	const d = 5 * time.Second
	ordered := digest(1, func(w *World) error {
		w.After = func(*Node) error { return nil }
		defer func() { w.After = nil }()
		return w.RunFor(d)
	})
	before := runtime.NumGoroutine()
	for _, workers := range []int{1, 3} {
		if got := digest(workers, func(w *World) error { return w.RunFor(d) }); got != ordered {
			t.Errorf("seed 5: %d workers make it another run", workers)
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines are left over", after-before)
	}
}
