package sim

import (
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"ringswap/kademlia"
	"ringswap/overlay"
)

var (
	soakEvents = flag.Uint64("events", 250_000, "events of each soak")
	soakSeed   = flag.Uint64("seed", 1, "first seed of the soaks")
	soakSeeds  = flag.Uint64("seeds", 4, "number of soaks of each overlay")
)

// TestSoak checks the promises of an overlay after every event of a million:
// Kademlia's of each table, Chord's of the ring as a whole, with lists of
// different lengths. make sim does as many as wanted.
func TestSoak(t *testing.T) {
	for seed := *soakSeed; seed < *soakSeed+*soakSeeds; seed++ {
		lists := []int{3, 4, 2, 6}[seed%4]
		for name, machines := range map[string]Overlay{"kademlia": CrowdedKademlia(), "chord": CrowdedChord(lists)} {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				t.Parallel()
				r, err := Soak(SoakConfig{
					Settings: Settings{Overlay: machines, Seed: seed, Latency: Exponential(50 * time.Millisecond)},
					Events:   *soakEvents,
				})
				if err != nil {
					t.Fatalf("%v\nreplay: go run ./scripts/sim --overlay %s --events %d --seed %d --list %d", err, name, *soakEvents, seed, lists)
				}
				if r.Checks < r.Events/2 {
					t.Errorf("%d checks in %d events", r.Checks, r.Events)
				}
				t.Logf("%+v", r)
			})
		}
	}
}

// TestSoakSmall: networks from one node on, which are below where Zave's proof
// begins, and some that are just above.
func TestSoakSmall(t *testing.T) {
	for _, nodes := range []int{1, 2, 3, 4, 5, 7} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			t.Parallel()
			r, err := Soak(SoakConfig{
				Settings: Settings{Overlay: CrowdedChord(4), Seed: 1, Latency: Exponential(50 * time.Millisecond)},
				Events:   30_000, Nodes: nodes,
			})
			if err != nil {
				t.Fatalf("%v\nreplay: go run ./scripts/sim --overlay chord --events 30000 --seed 1 --list 4 --nodes %d", err, nodes)
			}
			t.Logf("%+v", r)
		})
	}
}

// errOverfull is what TestSoakFindsMistakes wants to see.
var errOverfull = errors.New("a bucket holds more contacts than it has room for")

// TestSoakFindsMistakes: a machine whose buckets are larger than they may be is
// found out, at the same event every time. Its K is one more than the K by whose
// rule it is judged.
func TestSoakFindsMistakes(t *testing.T) {
	soak := func() (SoakResult, *Failure) {
		wrong := CrowdedKademlia()
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
