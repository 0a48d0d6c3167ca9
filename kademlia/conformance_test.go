package kademlia_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"ringswap/kademlia"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// newMachine makes a machine of a test network.
func newMachine(t testing.TB, self overlay.Contact, seed uint64, change func(*kademlia.Config)) *kademlia.Machine {
	t.Helper()
	cfg := kademlia.Config{Self: self, Server: true, Rand: rand.New(rand.NewPCG(seed, 1))}
	if change != nil {
		change(&cfg)
	}
	m, err := kademlia.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func subject(t *testing.T) overlaytest.Subject {
	return overlaytest.Subject{
		New: func(self overlay.Contact, seed uint64) overlay.Machine {
			return newMachine(t, self, seed, nil)
		},
		Codec:       kademlia.Codec{},
		Copies:      20,
		Responsible: nearest,
		Invariants:  func(m overlay.Machine) error { return m.(*kademlia.Machine).CheckInvariants() },
	}
}

// nearest is the oracle: sort everyone.
func nearest(key overlay.ID, nodes []overlay.Contact, n int) []overlay.Contact {
	all := slices.Clone(nodes)
	slices.SortFunc(all, func(a, b overlay.Contact) int { return a.ID.Xor(key).Compare(b.ID.Xor(key)) })
	return all[:min(n, len(all))]
}

func TestConformance(t *testing.T) { overlaytest.Run(t, subject(t)) }

// TestConformanceDisjoint: the contract holds with several paths too.
func TestConformanceDisjoint(t *testing.T) {
	s := subject(t)
	s.Invariants = nil // TestConformance checks them
	s.New = func(self overlay.Contact, seed uint64) overlay.Machine {
		return newMachine(t, self, seed, func(c *kademlia.Config) { c.Lookup.Paths = 4 })
	}
	overlaytest.Run(t, s)
}
