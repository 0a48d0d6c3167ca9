package sim

import (
	"math"
	"runtime"
	"testing"
	"time"

	"ringswap/kademlia"
)

// stillKademlia is a Kademlia whose nodes do nothing by themselves.
func stillKademlia() Kademlia {
	var cfg kademlia.Config
	cfg.Table.Refresh, cfg.Limits.PerPeer = -1, -1
	return Kademlia{Config: cfg}
}

func TestHopsKademlia(t *testing.T) {
	for _, c := range []struct {
		n    int
		most float64
	}{{1, 0}, {2, 1}, {21, 1}, {1000, 1.9}, {10_000, 2.5}} {
		r, err := Hops(HopsConfig{
			Settings: Settings{Overlay: stillKademlia(), Seed: 1, Latency: Constant(20 * time.Millisecond)},
			Nodes:    c.n, Lookups: 500,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", r)
		if c.n > 1 && r.Failed > 0 || r.MeanHops > c.most {
			t.Errorf("%d nodes: %d of %d lookups failed, %.2f hops, want at most %.2f", c.n, r.Failed, r.Lookups, r.MeanHops, c.most)
		}
	}
}

// TestLanes: what is found does not depend on the number of cores, and hardly on
// that of the lanes.
func TestLanes(t *testing.T) {
	hops := func(lanes, cores int) HopsResult {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		r, err := Hops(HopsConfig{
			Settings: Settings{Overlay: stillKademlia(), Seed: 5}, Nodes: 3000, Lookups: 601, Dead: .1, Malicious: .1, Lanes: lanes,
		})
		if err != nil || r.Lookups != 601 || r.Killed == 0 || r.Liars == 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		return r
	}
	one, two := hops(3, 1), hops(3, 2)
	if one.Digest != two.Digest || one.MeanHops != two.MeanHops || one.Failed != two.Failed {
		t.Errorf("on one core %+v, on two %+v", one, two)
	}
	if alone := hops(1, 2); alone.Digest == one.Digest || math.Abs(alone.MeanHops-one.MeanHops) > .2 {
		t.Errorf("in one lane %+v, in three %+v", alone, one)
	}
}
