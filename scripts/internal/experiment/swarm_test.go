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
	for _, args := range [][]string{{"--peers", "1"}, {"--takers", "8"}, {"--attacks", "--steady"}} {
		var out, errs bytes.Buffer
		if code := figure.Run(t.Context(), new(Swarm), args, &out, &errs); code == 0 {
			t.Errorf("%v: accepted", args)
		}
	}
}
