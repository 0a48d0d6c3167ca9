package agenda_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"ringswap/internal/sim/agenda"
)

// TestOrder compares with a sorted list: what comes out is the earliest, and of
// those the one that was entered first.
func TestOrder(t *testing.T) {
	type item struct {
		at int64
		n  int
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var a agenda.Agenda[int]
		var want []item
		for n := range 3000 {
			if len(want) == 0 || rng.IntN(5) > 1 {
				at := rng.Int64N(50)
				a.Push(at, n)
				i, _ := slices.BinarySearchFunc(want, at+1, func(x item, at int64) int { return int(x.at - at) })
				want = slices.Insert(want, i, item{at, n})
				continue
			}
			next := a.Next()
			at, got := a.Pop()
			if at != next || (item{at, got}) != want[0] {
				t.Fatalf("seed %d: %d came out at %d, announced for %d; want %v", seed, got, at, next, want[0])
			}
			want = want[1:]
		}
		if a.Len() != len(want) {
			t.Fatalf("seed %d: %d are left, want %d", seed, a.Len(), len(want))
		}
	}
}

// TestKeys: with keys, the order of entering does not matter.
func TestKeys(t *testing.T) {
	type item struct {
		at  int64
		key uint64
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 2))
		items := make([]item, 500)
		for i := range items {
			items[i] = item{rng.Int64N(20), uint64(i)}
		}
		for range 3 {
			rng.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
			var a agenda.Agenda[uint64]
			for _, x := range items {
				a.PushKey(x.at, x.key, x.key)
			}
			for last := (item{-1, 0}); a.Len() > 0; {
				headAt, headKey := a.Head()
				at, key := a.Pop()
				if at != headAt || key != headKey || at < last.at || at == last.at && key <= last.key {
					t.Fatalf("seed %d: %d of %d came after %v, announced as %d of %d", seed, key, at, last, headKey, headAt)
				}
				last = item{at, key}
			}
		}
	}
}

func BenchmarkPushPop(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var a agenda.Agenda[[2]uint64]
	for range 30_000 {
		a.Push(rng.Int64N(1e9), [2]uint64{})
	}
	for b.Loop() {
		at, what := a.Pop()
		a.Push(at+rng.Int64N(1e9), what)
	}
}
