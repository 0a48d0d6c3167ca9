package main

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"ringswap/integration/lab"
	"ringswap/integration/program"
)

func published() setting {
	return setting{Leechers: 8, Size: 64 << 20, SeedUp: 40e6, Up: 20e6, Down: 160e6, Transport: "tcp", Overlay: "kademlia"}
}

func TestFluidBound(t *testing.T) {
	s := published()
	for _, c := range []struct {
		leechers int
		seconds  float64
	}{{1, 13.42}, {5, 19.17}, {8, 21.47}} {
		if got := s.fluid(c.leechers); math.Abs(got-c.seconds) > .01 {
			t.Errorf("%d leechers: %.3f s, want %.2f", c.leechers, got, c.seconds)
		}
	}
}

func TestBadSettingsAreNamed(t *testing.T) {
	for word, change := range map[string]func(*setting){
		"--leechers":    func(s *setting) { s.Leechers = 0 },
		"--free-riders": func(s *setting) { s.FreeRiders = 8 },
		"size":          func(s *setting) { s.Size = 0 },
		"--transport":   func(s *setting) { s.Transport = "avian" },
	} {
		s := published()
		change(&s)
		if err := s.validate(); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// TestFigures has a free rider that took a quarter of the bytes and was as fast
// as the others.
func TestFigures(t *testing.T) {
	r := report{setting: published(), Bound: 10, Carried: 440}
	r.FreeRiders = 1
	for range 3 {
		r.Peers = append(r.Peers, peerReport{Seconds: 12, Received: 100, AtMark: 100, Sent: 100})
	}
	r.Peers = append(r.Peers, peerReport{Seconds: 12, Received: 100, AtMark: 100, FreeRider: true})
	want := []float64{1.1, 1.2, 1, 1.2, .25, 1}
	for i, f := range r.figures() {
		if math.Abs(f.value-want[i]) > 1e-9 {
			t.Errorf("%s: %v, want %v", f.name, f.value, want[i])
		}
	}
	r.Peers[0].Sent, r.Peers[1].Sent = 25, 400
	if j := r.figures()[2].value; j > .9 {
		t.Errorf("a peer that gives four times as much as another: Jain index %v", j)
	}
}

// TestSmallSwarm has a small swarm with a free rider get a small file: everyone
// ends with the right bytes, and every byte has a giver that is no free rider.
func TestSmallSwarm(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and runs five of it")
	}
	if err := program.LookAtSources("../.."); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	dir := t.TempDir()
	binary, err := program.Build(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	s := setting{Leechers: 4, FreeRiders: 1, Size: 3<<20 + 7, SeedUp: 80e6, Up: 80e6, Down: 200e6, Transport: "quic", Overlay: "chord"}
	r, err := s.run(ctx, dir, binary)
	if errors.Is(err, lab.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r.Carried < int64(s.Leechers)*s.Size {
		t.Errorf("the links brought %d bytes, less than the files have", r.Carried)
	}
	for _, p := range r.Peers {
		if p.Received < s.Size || p.AtMark > s.Size {
			t.Errorf("%s has %d bytes and %d at the mark, of %d", p.Name, p.Received, p.AtMark, s.Size)
		}
		if p.FreeRider && p.Sent != 0 {
			t.Errorf("%s serves nobody, but others name it for %d bytes", p.Name, p.Sent)
		}
	}
}
