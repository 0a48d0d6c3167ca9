package sim

import (
	"slices"
	"time"
)

// Tally sums up many lookups. It is part of the Result of every experiment.
type Tally struct {
	Lookups int `json:"lookups"`
	// Failed lookups did not name the responsible node.
	Failed int `json:"failed"`
	// Hops count the nodes on the chain of referrals that led to the responsible
	// node, itself included, of lookups that did not fail.
	MeanHops float64 `json:"mean_hops"`
	P50Hops  int     `json:"p50_hops"`
	P99Hops  int     `json:"p99_hops"`
	MaxHops  int     `json:"max_hops"`
	// Histogram has the number of lookups with as many hops as the index.
	Histogram []int `json:"histogram"`
	// MeanRequests counts all requests of a lookup, MeanAnswered those of them that
	// were answered and MeanTimeouts those whose time ran out. MeanDead counts the
	// nodes that were asked in vain and do not run, each once: a lookup that asks
	// somebody else meanwhile may end before their time runs out.
	MeanRequests float64 `json:"mean_requests"`
	MeanAnswered float64 `json:"mean_answered"`
	MeanTimeouts float64 `json:"mean_timeouts"`
	MeanDead     float64 `json:"mean_dead"`
	// The time that lookups took, in milliseconds.
	MeanMillis float64 `json:"mean_ms"`
	P50Millis  float64 `json:"p50_ms"`
	P90Millis  float64 `json:"p90_ms"`
	P99Millis  float64 `json:"p99_ms"`
}

// tally collects lookups for a Tally.
type tally struct {
	hops               []int // histogram
	took               []time.Duration
	lookups, failed    int
	requests, timeouts int
	answered, dead     int
}

func (t *tally) add(j judged) {
	t.lookups++
	t.requests += j.requests
	t.timeouts += j.timeouts
	t.answered += j.answered
	t.dead += j.dead
	t.took = append(t.took, j.took)
	if !j.right {
		t.failed++
		return
	}
	for len(t.hops) <= j.hops {
		t.hops = append(t.hops, 0)
	}
	t.hops[j.hops]++
}

// sum works out the figures.
func (t *tally) sum() Tally {
	s := Tally{Lookups: t.lookups, Failed: t.failed, Histogram: t.hops}
	if t.lookups == 0 {
		return s
	}
	n := float64(t.lookups)
	s.MeanRequests, s.MeanTimeouts = float64(t.requests)/n, float64(t.timeouts)/n
	s.MeanAnswered, s.MeanDead = float64(t.answered)/n, float64(t.dead)/n
	right := t.lookups - t.failed
	hops, seen := 0, 0
	for h, count := range t.hops {
		if seen < (right+1)/2 && seen+count >= (right+1)/2 {
			s.P50Hops = h
		}
		if p99 := (right*99 + 99) / 100; seen < p99 && seen+count >= p99 {
			s.P99Hops = h
		}
		seen += count
		hops += h * count
		if count > 0 {
			s.MaxHops = h
		}
	}
	if right > 0 {
		s.MeanHops = float64(hops) / float64(right)
	}
	slices.Sort(t.took)
	total := time.Duration(0)
	for _, d := range t.took {
		total += d
	}
	s.MeanMillis = millis(total) / n
	s.P50Millis = millis(percentile(t.took, 50))
	s.P90Millis = millis(percentile(t.took, 90))
	s.P99Millis = millis(percentile(t.took, 99))
	return s
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// percentile of a sorted list that is not empty: the least element that is at
// least as great as p per cent of all.
func percentile[T any](sorted []T, p int) T {
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
