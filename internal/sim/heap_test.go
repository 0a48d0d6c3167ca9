package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestHeap: events come out by time, and in the order of their coming where that
// is the same.
func TestHeap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var h eventHeap
	var all []int64
	last := event{at: -1}
	for range 20_000 {
		if h.len() == 0 || rng.IntN(3) > 0 {
			at := max(0, last.at) + rng.Int64N(20)
			all = append(all, at)
			h.push(event{at: at, arg: uint32(len(all))})
			continue
		}
		e := h.pop()
		if e.before(&last) {
			t.Fatalf("event %v came after %v", e, last)
		}
		i := slices.Index(all, e.at)
		all = slices.Delete(all, i, i+1)
		last = e
	}
	if h.len() != len(all) {
		t.Errorf("%d events left, want %d", h.len(), len(all))
	}
}
