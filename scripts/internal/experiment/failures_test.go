package experiment

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"ringswap/scripts/internal/figure"
)

func TestFailuresRun(t *testing.T) {
	var outs [2]bytes.Buffer
	for i := range outs {
		var errs bytes.Buffer
		args := []string{"--nodes", "200", "--lookups", "300", "--networks", "3", "--json", "--quiet", "--out", t.TempDir()}
		if code := figure.Run(t.Context(), new(Failures), args, &outs[i], &errs); code != 0 {
			t.Fatalf("exit code %d: %s", code, &errs)
		}
	}
	if outs[0].String() != outs[1].String() {
		t.Error("the same seed gave different numbers")
	}
	var got struct {
		Failures []struct {
			Setting        string
			Failed_share   float64
			Failed         int
			Path, Timeouts float64
		}
	}
	if err := json.Unmarshal(outs[0].Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Failures) != 2*len(chordFailures) {
		t.Fatalf("%d points: %s", len(got.Failures), &outs[0])
	}
	for _, p := range got.Failures {
		if p.Setting != "as published" {
			continue
		}
		// Chance alone makes p/(1-p) timeouts for each live node asked.
		want := p.Path * p.Failed_share / (1 - p.Failed_share)
		if p.Failed > 0 || p.Path < 1 || p.Timeouts < .6*want || p.Timeouts > 1.5*want {
			t.Errorf("%+v, want about %.2f timeouts and no failure", p, want)
		}
	}
}

func TestFailuresRefuses(t *testing.T) {
	for _, args := range [][]string{{"--nodes", "49"}, {"--networks", "0"}, {"--lookups", "5", "--networks", "6"}} {
		if code := figure.Run(t.Context(), new(Failures), args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit code %d, want 2", args, code)
		}
	}
}
