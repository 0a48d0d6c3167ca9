package idmap_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"ringswap/overlay"
	"ringswap/overlay/idmap"
)

// TestMap compares with a list in which everything is searched for.
func TestMap(t *testing.T) {
	type pair struct {
		id    overlay.ID
		value int
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var m idmap.Map[int]
		var want []pair
		for n := range 400 {
			id := overlay.ID{byte(rng.IntN(30))}
			i := slices.IndexFunc(want, func(p pair) bool { return p.id == id })
			switch rng.IntN(5) {
			case 0, 1, 2:
				m.Put(id, n)
				if i >= 0 {
					want[i].value = n
				} else {
					want = append(want, pair{id, n})
				}
			case 3:
				m.Remove(id)
				if last := len(want) - 1; i >= 0 {
					want[i] = want[last]
					want = want[:last]
				}
			case 4: // all of a kind, while walking
				odd := func(v int) bool { return v%2 == 1 }
				for id, v := range m.Backward() {
					if odd(v) {
						m.Remove(id)
					}
				}
				for i := len(want) - 1; i >= 0; i-- {
					if last := len(want) - 1; odd(want[i].value) {
						want[i] = want[last]
						want = want[:last]
					}
				}
			}
			if err := m.Check(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			var got []pair
			for id, v := range m.All() {
				got = append(got, pair{id, v})
			}
			if !slices.Equal(got, want) || m.Len() != len(want) {
				t.Fatalf("seed %d: %v, want %v", seed, got, want)
			}
			for i, p := range want {
				v, ok := m.Get(p.id)
				if id, at := m.At(i); !ok || v != p.value || id != p.id || at != p.value {
					t.Fatalf("seed %d: the %d-th is %v, %v", seed, i, v, ok)
				}
			}
			if v, ok := m.Get(overlay.ID{99}); ok || v != 0 {
				t.Fatalf("seed %d: got what nobody put: %d", seed, v)
			}
		}
	}
}

// TestStop: a walk that is broken off is broken off.
func TestStop(t *testing.T) {
	var m idmap.Map[int]
	for i := range 3 {
		m.Put(overlay.ID{byte(i)}, i)
	}
	for _, v := range m.All() {
		if v == 1 {
			break
		}
	}
	for id, v := range m.Backward() {
		if v == 1 {
			m.Remove(id)
			break
		}
	}
	if m.Len() != 2 {
		t.Errorf("%d are left", m.Len())
	}
}
