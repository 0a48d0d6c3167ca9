package experiment

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"ringswap/scripts/internal/figure"
)

func TestAttackRun(t *testing.T) {
	var outs [2]bytes.Buffer
	for i := range outs {
		var errs bytes.Buffer
		args := []string{"--nodes", "300", "--lookups", "60", "--json", "--quiet", "--out", t.TempDir()}
		if code := figure.Run(t.Context(), new(Attack), args, &outs[i], &errs); code != 0 {
			t.Fatalf("exit code %d: %s", code, &errs)
		}
	}
	if outs[0].String() != outs[1].String() {
		t.Error("the same seed gave different numbers")
	}
	var got struct {
		Attack []struct {
			Paths            int
			Malicious, Found float64
		}
	}
	if err := json.Unmarshal(outs[0].Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	found := make(map[int]float64)
	for _, p := range got.Attack {
		if p.Malicious == 0 && p.Found != 1 {
			t.Errorf("without liars: %+v", p)
		}
		found[p.Paths] += p.Found
	}
	if len(got.Attack) != len(attackPaths)*len(attackShares) || found[8] < found[1] {
		t.Errorf("eight paths find no more than one: %s", &outs[0])
	}
}

func TestAttackRefuses(t *testing.T) {
	for _, args := range [][]string{{"--nodes", "99"}, {"--lookups", "0"}} {
		if code := figure.Run(t.Context(), new(Attack), args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit code %d, want 2", args, code)
		}
	}
}
