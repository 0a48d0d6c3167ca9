package sim

import (
	"errors"
	"flag"
	"testing"
	"time"

	"ringswap/kademlia"
	"ringswap/overlay"
)

var (
	soakEvents = flag.Uint64("events", 500_000, "events of each soak")
	soakSeed   = flag.Uint64("seed", 1, "first seed of the soaks")
	soakSeeds  = flag.Uint64("seeds", 2, "number of soaks")
)

// crowded is a Kademlia whose buckets fill in a network of two dozen nodes.
func crowded() Kademlia {
	var cfg kademlia.Config
	cfg.K, cfg.Lookup.Beta = 3, 2
	cfg.Table.Refresh, cfg.Table.Spares, cfg.Table.PingAfter = 2*time.Minute, 2, 10*time.Second
	return Kademlia{Config: cfg}
}

// TestSoakKademlia checks the promises of a table after every event of a million.
//
//	go test ./internal/sim -run TestSoakKademlia -events N -seed S -seeds 1
func TestSoakKademlia(t *testing.T) {
	for seed := *soakSeed; seed < *soakSeed+*soakSeeds; seed++ {
		r, err := Soak(SoakConfig{
			Settings: Settings{Overlay: crowded(), Seed: seed, Latency: Exponential(50 * time.Millisecond)},
			Events:   *soakEvents,
		})
		if err != nil {
			t.Fatalf("%v\nreplay: go test ./internal/sim -run TestSoakKademlia -events %d -seed %d -seeds 1", err, *soakEvents, seed)
		}
		if r.Checks < r.Events/2 {
			t.Errorf("%d checks in %d events", r.Checks, r.Events)
		}
		t.Logf("%+v", r)
	}
}

// errOverfull is what TestSoakFindsMistakes wants to see.
var errOverfull = errors.New("a bucket holds more contacts than it has room for")

// TestSoakFindsMistakes: a machine whose buckets are larger than they may be is
// found out, at the same event every time. Its K is one more than the K by whose
// rule it is judged.
func TestSoakFindsMistakes(t *testing.T) {
	soak := func() (SoakResult, *Failure) {
		wrong := crowded()
		r, err := Soak(SoakConfig{
			Settings: Settings{Overlay: wrong, Seed: 5},
			Check: func(m overlay.Machine) error {
				for _, b := range m.(*kademlia.Machine).View().Buckets {
					if len(b.Contacts) > 4*2 { // the most that a bucket holds if K is 2
						return errOverfull
					}
				}
				return nil
			},
		})
		var f *Failure
		if !errors.As(err, &f) || !errors.Is(err, errOverfull) {
			t.Fatalf("a wrong machine passed: %v", err)
		}
		return r, f
	}
	r1, f1 := soak()
	r2, f2 := soak()
	if f1.Event != f2.Event || f1.Node != f2.Node || r1.Digest != r2.Digest {
		t.Errorf("the failure is not repeatable: %v, then %v", f1, f2)
	}
}

// TestChurn: figures of a network whose nodes come and go, for each way of it.
func TestChurn(t *testing.T) {
	for name, change := range map[string]func(*ChurnConfig){
		"rate":    func(c *ChurnConfig) { c.Rate = .05 },
		"poisson": func(c *ChurnConfig) { c.Session, c.Silent = time.Hour, 1 },
		"weibull": func(c *ChurnConfig) { c.Session, c.Shape, c.Silent = time.Hour, .5, .5 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := ChurnConfig{
				Settings: Settings{Overlay: liveKademlia(), Seed: 1, CountBytes: name == "rate"}, Nodes: 100,
				Warmup: 5 * time.Minute, Time: 20 * time.Minute,
			}
			change(&cfg)
			r, err := Churn(cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", r)
			if r.Lookups < 900 || r.Failed > r.Lookups/20 || r.Joins < 20 || r.Departures < 20 || (r.BytesPerNode > 0) != cfg.CountBytes {
				t.Errorf("%+v", r)
			}
		})
	}
	if _, err := Churn(ChurnConfig{Settings: Settings{Overlay: liveKademlia()}, Nodes: 10}); !errors.Is(err, ErrSettings) {
		t.Errorf("neither Rate nor Session: %v", err)
	}
}
