package bitset

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		n := rng.IntN(100)
		s, oracle := New(n), make(map[int]bool)
		for range 200 {
			i := rng.IntN(120) - 10
			if rng.IntN(2) == 0 {
				if got, want := s.Add(i), i >= 0 && i < n && !oracle[i]; got != want {
					t.Fatalf("set %d of %d: %v", i, n, got)
				}
				if i >= 0 && i < n {
					oracle[i] = true
				}
			} else {
				s.Remove(i)
				delete(oracle, i)
			}
			if s.Has(i) != oracle[i] || s.Count() != len(oracle) {
				t.Fatalf("after %d: has %v, count %d of %d", i, s.Has(i), s.Count(), len(oracle))
			}
		}
		var all []int
		for i := s.Next(-5); i >= 0; i = s.Next(i + 1) {
			all = append(all, i)
		}
		if len(all) != len(oracle) || !slices.IsSorted(all) {
			t.Fatalf("members %v of %v", all, oracle)
		}
	}
}
