package chord_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"ringswap/chord"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// after is the oracle: sort everyone by the way from the key forward.
func after(key overlay.ID, nodes []overlay.Contact, n int) []overlay.Contact {
	all := slices.Clone(nodes)
	slices.SortFunc(all, func(a, b overlay.Contact) int { return a.ID.Sub(key).Compare(b.ID.Sub(key)) })
	return all[:min(n, len(all))]
}

func TestConformance(t *testing.T) { conform(t, nil) }

func TestConformanceRecursive(t *testing.T) {
	conform(t, func(c *chord.Config) { c.Lookup.Recursive = true })
}

func conform(t *testing.T, change func(*chord.Config)) {
	overlaytest.Run(t, overlaytest.Subject{
		New: func(self overlay.Contact, seed uint64) overlay.Machine {
			cfg := chord.Config{Self: self, Server: true, Rand: rand.New(rand.NewPCG(seed, 1))}
			if change != nil {
				change(&cfg)
			}
			m, err := chord.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return m
		},
		Codec:       chord.Codec{},
		Copies:      8,
		Responsible: after,
		Invariants:  func(m overlay.Machine) error { return m.(*chord.Machine).CheckInvariants() },
	})
}
