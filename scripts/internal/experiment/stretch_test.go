package experiment

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"ringswap/scripts/internal/figure"
)

func TestStretchRun(t *testing.T) {
	var out, errs bytes.Buffer
	args := []string{"--nodes", "512", "--lookups", "100", "--json", "--quiet", "--out", t.TempDir()}
	if code := figure.Run(t.Context(), new(Stretch), args, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	var got struct {
		Stretch []struct {
			Setting, Lookup string
			Failed          int
			P50             float64 `json:"p50_stretch"`
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Stretch) != 5 {
		t.Fatalf("%d kinds: %s", len(got.Stretch), &out)
	}
	for i, k := range got.Stretch {
		if k.Failed > 0 || k.P50 < 1 {
			t.Errorf("%+v", k)
		}
		if i == 1 && k.P50 >= got.Stretch[0].P50 {
			t.Errorf("recursive lookups take no less than iterative ones: %s", &out)
		}
	}
}

func TestStretchRefuses(t *testing.T) {
	for _, args := range [][]string{{"--nodes", "15"}, {"--lookups", "0"}, {"--candidates", "65"}} {
		if code := figure.Run(t.Context(), new(Stretch), args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit code %d, want 2", args, code)
		}
	}
}
