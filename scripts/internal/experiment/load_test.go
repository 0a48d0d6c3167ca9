package experiment

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ringswap/overlay"
	"ringswap/scripts/internal/figure"
)

// The nodes of a key against looking at every node.
func TestPlacementOracle(t *testing.T) {
	l := &Load{nodes: 60, seed: 3}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		var places []place
		for i := range 1 + rng.IntN(l.nodes) {
			places = append(places, place{l.point('n', uint64(round), i, 0), i})
		}
		slices.SortFunc(places, func(a, b place) int { return a.id.Compare(b.id) })
		key, copies := l.point('k', uint64(round), 0, 0), 1+rng.IntN(len(places))
		for name, c := range map[string]struct {
			give func([]place, overlay.ID, int, []int)
			far  func(place) overlay.ID
		}{
			"successors": {successors, func(p place) overlay.ID { return p.id.Sub(key) }},
			"nearest":    {nearest, func(p place) overlay.ID { return p.id.Xor(key) }},
		} {
			want := make([]int, l.nodes)
			sorted := slices.Clone(places)
			slices.SortFunc(sorted, func(a, b place) int { return c.far(a).Compare(c.far(b)) })
			for _, p := range sorted[:copies] {
				want[p.node]++
			}
			got := make([]int, l.nodes)
			c.give(places, key, copies, got)
			if !slices.Equal(got, want) {
				t.Fatalf("round %d, %s, %d of %d nodes: %v, want %v", round, name, copies, len(places), got, want)
			}
		}
	}
}

func TestLoadRun(t *testing.T) {
	args := []string{"--nodes", "500", "--keys", "25000", "--runs", "2", "--json", "--quiet"}
	var outs [2]bytes.Buffer
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for i := range outs {
		var errs bytes.Buffer
		if code := figure.Run(t.Context(), new(Load), append(args, "--out", dirs[i]), &outs[i], &errs); code != 0 {
			t.Fatalf("exit code %d: %s", code, &errs)
		}
	}
	if outs[0].String() != outs[1].String() {
		t.Error("the same seed gave different numbers")
	}
	for _, name := range []string{"load.csv", "load.svg", "load.png"} {
		a, errA := os.ReadFile(filepath.Join(dirs[0], name))
		b, errB := os.ReadFile(filepath.Join(dirs[1], name))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs between two runs, %v, %v", name, errA, errB)
		}
	}
	var got struct {
		Load []struct {
			Overlay        string
			Places, Copies int
			P50, P99, Max  float64
		}
	}
	if err := json.Unmarshal(outs[0].Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	first, virtual := got.Load[0], got.Load[4]
	if first.P99 < 3.8 || first.P99 > 5.6 {
		t.Errorf("one place a node: p99 is %.2f times the mean, theory says 4.6", first.P99)
	}
	if virtual.Places != 20 || virtual.P99 > 2 {
		t.Errorf("20 places a node: %+v", virtual)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"--nodes", "1"}, {"--keys", "0"}, {"--runs", "0"}, {"--copies", "0"}, {"--copies", "10001"}, {"--k", "-1"},
	} {
		if code := figure.Run(t.Context(), new(Load), args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit code %d, want 2", args, code)
		}
	}
}
