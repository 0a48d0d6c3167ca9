package experiment

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"ringswap/overlay"
	"ringswap/scripts/internal/figure"
)

// A dozen real nodes: every lookup finds the responsible node, mostly in one
// hop or none, since nearly everyone knows everyone.
func TestHopsLive(t *testing.T) {
	var out, errs bytes.Buffer
	args := []string{"--live", "12", "--lookups", "60", "--seed", "7", "--json", "--out", t.TempDir()}
	if code := figure.Run(t.Context(), new(Hops), args, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	var keys map[string]any
	if err := json.Unmarshal(out.Bytes(), &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{
		"overlay", "n", "lookups", "mean_hops", "p50_hops", "p99_hops", "failed", "entries_mean", "seconds",
		"live", "seed", "rpcs_mean", "peak_mib",
	} {
		if _, ok := keys[k]; !ok {
			t.Errorf("the result has no %s: %s", k, &out)
		}
	}
	var r HopsResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if !r.Live || r.Nodes != 12 || r.Lookups != 60 || r.Failed != 0 || r.EntriesMean < 10 || r.MeanHops > 1.5 {
		t.Errorf("%+v", r)
	}
}

// A Chord ring of real nodes: the successor of every key is found.
func TestHopsLiveChord(t *testing.T) {
	var out, errs bytes.Buffer
	args := []string{"--live", "8", "--overlay", "chord", "--lookups", "40", "--json"}
	if code := figure.Run(t.Context(), new(Hops), args, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	var r HopsResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if !r.Live || r.Overlay != "chord" || r.Failed != 0 || r.EntriesMean != 7 || r.MeanHops > 1.5 {
		t.Errorf("%+v", r)
	}
}

// The distribution has all lookups, and that of one successor is about the
// formula's.
func TestHopsDistribution(t *testing.T) {
	var out, errs bytes.Buffer
	args := []string{"--distribution", "--n", "1024", "--lookups", "500", "--json", "--quiet", "--out", t.TempDir()}
	if code := figure.Run(t.Context(), new(Hops), args, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	var got struct {
		Distribution []struct {
			Setting string
			Hops    float64
			Share   float64
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	total, mean := 0.0, 0.0
	for _, p := range got.Distribution {
		total += p.Share
		if p.Setting == chordBare().name {
			mean += p.Share * p.Hops
		}
	}
	if math.Abs(total-4) > 1e-6 || mean < 5.4 || mean > 6.4 { // half of ten digits, and the last contact
		t.Errorf("shares sum up to %.3f, %.2f hops with one successor: %s", total, mean, &out)
	}
}

func TestHopsRefuses(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--live", "1"},
		{"--n", "0"},
		{"--n", "100", "--live", "5"},
		{"--sweep", "--n", "5"},
		{"--sweep", "--most", "7"},
		{"--n", "100", "--bucket", "19"},
		{"--live", "5", "--bucket", "40"},
		{"--distribution"},
		{"--live", "5", "--distribution"},
		{"--n", "5", "--entries", "50"},
		{"--live", "201"},
		{"--live", "-3"},
		{"--live", "5", "--overlay", "pastry"},
		{"--live", "5", "--lookups", "0"},
	} {
		if code := figure.Run(t.Context(), new(Hops), args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit code %d, want 2", args, code)
		}
	}
}

// The simulated kind: the same numbers twice, within the promise.
func TestHopsSimulated(t *testing.T) {
	var last HopsResult
	for i := range 2 {
		var out, errs bytes.Buffer
		if code := figure.Run(t.Context(), new(Hops), []string{"--n", "1000", "--lookups", "500", "--json"}, &out, &errs); code != 0 {
			t.Fatalf("exit code %d: %s", code, &errs)
		}
		var r HopsResult
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Live || r.Failed != 0 || r.MeanHops > 1.95 || r.MeanHops < 1.5 || r.EntriesMean < 50 {
			t.Errorf("%+v", r)
		}
		r.Seconds, r.PeakMiB = 0, 0
		if i > 0 && !reflect.DeepEqual(r, last) {
			t.Errorf("the same seed gave %+v and %+v", last, r)
		}
		last = r
	}
}

func TestHopsSweep(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if code := figure.Run(t.Context(), new(Hops), []string{"--sweep", "--most", "1000", "--lookups", "200", "--out", dir}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	for _, name := range []string{"hops.csv", "hops.svg", "hops.png"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 100 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !strings.Contains(out.String(), "1000 nodes") || !strings.Contains(out.String(), "bound") {
		t.Errorf("the bounds are not printed:\n%s", &out)
	}
}

func TestTallyCountsTheLastContact(t *testing.T) {
	id := func(s string) overlay.ID { return overlay.RawKey([]byte(s)).ID() }
	path := func(hops, rpcs int, found string) overlay.Path {
		return overlay.Path{Hops: hops, Steps: make([]overlay.Step, rpcs), Closest: []overlay.Contact{{ID: id(found)}}}
	}
	var s tally
	s.add(path(0, 2, "a"), nil, id("self"), id("a"), time.Millisecond)    // known from the start: one hop
	s.add(path(2, 4, "b"), nil, id("self"), id("b"), 3*time.Millisecond)  // two referrals: three hops
	s.add(path(1, 3, "self"), nil, id("self"), id("self"), 0)             // its own: none
	s.add(path(1, 3, "c"), nil, id("self"), id("other"), 0)               // the wrong node
	s.add(overlay.Path{}, overlay.ErrNoPeers, id("self"), id("other"), 0) // nobody
	r := s.result()
	if r.Lookups != 5 || r.Failed != 2 || math.Abs(r.MeanHops-4.0/3) > 1e-9 || r.P50Hops != 1 || r.P99Hops != 3 || r.RPCsMean != 12.0/5 || r.P99Millis != 3 {
		t.Errorf("%+v", r)
	}
}
