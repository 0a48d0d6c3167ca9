package sim

import (
	"errors"
	"testing"
	"time"

	"ringswap/chord"
)

// TestStretch: a lookup takes at least the round trip to the node it finds; with
// the paper's base-2 fingers, each the nearest of some candidates, an iterative
// one takes a few times as long.
func TestStretch(t *testing.T) {
	near := func(c *chord.Config) { published(c); c.Fingers.Candidates = 16 }
	r, err := Stretch(StretchConfig{
		Settings: Settings{Overlay: stillChord(near), Seed: 1, Latency: Space{Mean1: 50 * time.Millisecond}},
		Nodes:    4096, Lookups: 300,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("stretch %.2f, %.2f, %.2f; %.2f hops", r.P10Stretch, r.P50Stretch, r.P90Stretch, r.MeanHops)
	if r.Failed > 0 || r.Lookups != 300 || r.Stretches[0] < 1 || r.P50Stretch < 2 || r.P50Stretch > 4 || r.P90Stretch < r.P50Stretch {
		t.Errorf("%+v", r.Tally)
	}
	for _, bad := range []StretchConfig{
		{Settings: Settings{Overlay: stillChord(nil)}, Nodes: 10},
		{Settings: Settings{Overlay: stillChord(nil), Latency: Space{Mean1: time.Second}}, Nodes: 1},
	} {
		if _, err := Stretch(bad); !errors.Is(err, ErrSettings) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
