package experiment

import (
	"bytes"
	"strings"
	"testing"

	"ringswap/scripts/internal/figure"
)

func TestSwarmHoldsItsBounds(t *testing.T) {
	var out, errs bytes.Buffer
	if code := figure.Run(t.Context(), new(Swarm), []string{"--runs", "1", "--quiet"}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if s := out.String(); strings.Contains(s, "MISSED") || !strings.Contains(s, "credit") {
		t.Error(s)
	}
}

func TestSwarmRefusesNonsense(t *testing.T) {
	for _, args := range [][]string{{"--peers", "1"}, {"--takers", "8"}, {"--attacks", "--steady"}, {"--runs", "-1"}} {
		var out, errs bytes.Buffer
		if code := figure.Run(t.Context(), new(Swarm), args, &out, &errs); code == 0 {
			t.Errorf("%v: accepted", args)
		}
	}
}

// TestSwarmRunsAreCounted: the attacks take as many runs as are asked for, one if
// nothing is said.
func TestSwarmRunsAreCounted(t *testing.T) {
	for _, c := range []struct {
		s    Swarm
		want int
	}{{Swarm{}, 5}, {Swarm{attacks: true}, 1}, {Swarm{attacks: true, runs: 4}, 4}, {Swarm{runs: 2}, 2}} {
		c.s.peers, c.s.takers = 8, 3
		if err := c.s.Validate(); err != nil || c.s.runs != c.want {
			t.Errorf("%d runs, want %d: %v", c.s.runs, c.want, err)
		}
	}
}
