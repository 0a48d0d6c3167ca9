package sim

import (
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
