package main

import (
	"fmt"
	"math"
)

// setting says which swarm to measure. Rates are in bits per second.
type setting struct {
	Leechers   int    `json:"leechers"` // free riders included
	FreeRiders int    `json:"free_riders"`
	Size       int64  `json:"size"`
	SeedUp     int64  `json:"seed_up"`
	Up         int64  `json:"up"`
	Down       int64  `json:"down"`
	Transport  string `json:"transport"`
	Overlay    string `json:"overlay"`
	Verbose    bool   `json:"-"`
}

func (s setting) validate() error {
	switch {
	case s.Leechers < 1 || s.Leechers > 100:
		return fmt.Errorf("--leechers %d: from 1 to 100", s.Leechers)
	case s.FreeRiders < 0 || s.FreeRiders >= s.Leechers:
		return fmt.Errorf("--free-riders %d: at least one of %d leechers gives", s.FreeRiders, s.Leechers)
	case s.Size < 1 || s.SeedUp < 1e5 || s.Up < 1e5 || s.Down < 1e5:
		return fmt.Errorf("the file needs a size, and links at least 0.1 Mbit/s")
	case s.Transport != "tcp" && s.Transport != "quic":
		return fmt.Errorf("--transport %q: tcp or quic", s.Transport)
	}
	return nil
}

// fluid is the least time, in seconds, in which n leechers that all give can
// have the file: max(F/u_seed, F/d_min, N*F/(u_seed + sum of u)) (Kumar and
// Ross, "Peer-Assisted File Distribution: The Minimum Distribution Time", 2006).
func (s setting) fluid(n int) float64 {
	f := float64(8 * s.Size)
	return max(f/float64(s.SeedUp), f/float64(s.Down), float64(n)*f/float64(s.SeedUp+int64(n)*s.Up))
}

// report is what one swarm did.
type report struct {
	setting
	// Bound is the fluid bound of those that give, in seconds.
	Bound float64 `json:"bound_s"`
	// Carried is what the leechers' links brought them, in bytes: the file, and
	// beside it headers, acknowledgements, requests and what came twice. Segments
	// that the kernel joins count with one header.
	Carried int64        `json:"carried"`
	Peers   []peerReport `json:"peers"`
}

// peerReport is what one leecher did.
type peerReport struct {
	Name      string  `json:"name"`
	FreeRider bool    `json:"free_rider"`
	Seconds   float64 `json:"seconds"` // from the start of its get to the end
	// Received and AtMark are the file's bytes that it got from others: in all,
	// and until the last that gives was done.
	Received int64 `json:"received"`
	AtMark   int64 `json:"received_at_mark"`
	Sent     int64 `json:"sent"` // of the file, to other leechers, in all
}

// figureLine is a figure with its bound in words.
type figureLine struct {
	name  string
	value float64
	bound string
}

func (r report) figures() []figureLine {
	last, all, away, received, jain := 0.0, 0.0, 0.0, 0.0, jain{}
	givers, riders := mean{}, mean{}
	for _, p := range r.Peers {
		all += float64(p.AtMark)
		received += float64(p.Received)
		if p.FreeRider {
			riders.add(p.Seconds)
			away += float64(p.AtMark)
			continue
		}
		givers.add(p.Seconds)
		last = max(last, p.Seconds)
		if p.Sent > 0 {
			jain.add(float64(p.Received) / float64(p.Sent))
		}
	}
	lines := []figureLine{
		{"bytes on the leechers' links / bytes of the file that they got", float64(r.Carried) / max(received, 1), "-"},
		{"the last that gives / fluid bound of those that give", last / r.Bound, "1.12 without free riders"},
		{"Jain index of received/sent of those that give", jain.index(), "0.95 at least"},
	}
	if r.FreeRiders == 0 {
		return lines
	}
	return append(lines,
		figureLine{"mean of those that give / their bound", givers.value() / r.Bound, "1.20"},
		figureLine{"share of the bytes that went to free riders meanwhile", away / max(all, 1), "0.05"},
		figureLine{"mean of free riders / mean of those that give", riders.value() / givers.value(), "1.45 at least"})
}

type mean struct{ sum, n float64 }

func (m *mean) add(x float64) { m.sum, m.n = m.sum+x, m.n+1 }
func (m mean) value() float64 { return m.sum / max(m.n, 1) }

// jain is the fairness index of Jain, Chiu and Hawe (1984): 1 if all are the
// same, 1/n if one has everything.
type jain struct{ n, sum, squares float64 }

func (j *jain) add(x float64) { j.n, j.sum, j.squares = j.n+1, j.sum+x, j.squares+x*x }
func (j jain) index() float64 {
	if j.squares == 0 {
		return math.NaN()
	}
	return j.sum * j.sum / (j.n * j.squares)
}
