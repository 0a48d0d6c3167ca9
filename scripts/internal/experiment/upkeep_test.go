package experiment

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"ringswap/scripts/internal/figure"
)

func TestUpkeepRun(t *testing.T) {
	var out, errs bytes.Buffer
	args := []string{"--nodes", "30", "--minutes", "1", "--json", "--quiet", "--out", t.TempDir()}
	if code := figure.Run(t.Context(), new(Upkeep), args, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	var got struct {
		Upkeep []struct {
			Overlay string
			Session int     `json:"session_s"`
			Bytes   float64 `json:"bytes_per_node_s"`
			Found   float64
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Upkeep) != 2*len(sessions) {
		t.Fatalf("%d points: %s", len(got.Upkeep), &out)
	}
	for i, p := range got.Upkeep {
		if p.Bytes <= 0 || p.Session > 1000 && p.Found < .9 {
			t.Errorf("%+v", p)
		}
		if i%len(sessions) == len(sessions)-1 && p.Bytes > got.Upkeep[i-len(sessions)+1].Bytes {
			t.Errorf("%s: sessions of a day cost more than those of 1.4 minutes: %s", p.Overlay, &out)
		}
	}
}

func TestUpkeepRefuses(t *testing.T) {
	for _, args := range [][]string{{"--nodes", "19"}, {"--minutes", "0"}} {
		if code := figure.Run(t.Context(), new(Upkeep), args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit code %d, want 2", args, code)
		}
	}
}
