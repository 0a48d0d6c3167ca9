package experiment

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"testing"

	"ringswap/scripts/internal/figure"
)

func TestChurnRun(t *testing.T) {
	var outs [2]bytes.Buffer
	for i := range outs {
		var errs bytes.Buffer
		args := []string{"--nodes", "60", "--lookups", "200", "--shipped", "100", "--json", "--quiet", "--out", t.TempDir()}
		if code := figure.Run(t.Context(), new(Churn), args, &outs[i], &errs); code != 0 {
			t.Fatalf("exit code %d: %s", code, &errs)
		}
	}
	if outs[0].String() != outs[1].String() {
		t.Error("the same seed gave different numbers")
	}
	var got struct {
		Churn []struct {
			Rate, Path float64
			Lookups    int
		}
	}
	if err := json.Unmarshal(outs[0].Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Churn) != len(chordChurn)+3 {
		t.Fatalf("%d points: %s", len(got.Churn), &outs[0])
	}
	for _, p := range got.Churn { // at higher rates so small a network may die out
		if p.Rate < .07 && (p.Path < .5 || p.Path > 3 || p.Lookups < 50) {
			t.Errorf("%+v", p)
		}
	}
}

func TestChurnRefuses(t *testing.T) {
	for _, args := range [][]string{{"--nodes", "49"}, {"--lookups", "0"}, {"--shipped", "-1"}} {
		if code := figure.Run(t.Context(), new(Churn), args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit code %d, want 2", args, code)
		}
	}
}

// The exact limits of Garwood 1936.
func TestPoisson(t *testing.T) {
	for k, want := range map[int][2]float64{0: {0, 3.69}, 1: {.025, 5.57}, 5: {1.62, 11.67}, 20: {12.22, 30.89}} {
		lo, hi := poisson(k)
		if math.Abs(lo-want[0]) > .05 || math.Abs(hi-want[1]) > .05 {
			t.Errorf("%d: %.3f to %.3f, want %v", k, lo, hi, want)
		}
	}
}
