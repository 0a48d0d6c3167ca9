package sim

import (
	"math/rand/v2"
	"slices"
	"testing"

	"ringswap/overlay"
)

func someContacts(salt uint64, n int) []*overlay.Contact {
	var out []*overlay.Contact
	for _, p := range makePeers(salt, 0, n) {
		c := overlay.NewContact(p)
		out = append(out, &c)
	}
	return out
}

// TestDirectory compares it with sorting everyone.
func TestDirectory(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 30, 1000} {
		list := someContacts(uint64(n), n)
		d := newDirectory(nil)
		for i, c := range list {
			d.insert(c)
			if i%7 == 3 {
				d.remove(c.ID)
				d.remove(c.ID)
				d.insert(c)
			}
		}
		if !slices.Equal(d.list, newDirectory(slices.Clone(list)).list) {
			t.Fatalf("%d contacts: inserting differs from sorting", n)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		for range 200 {
			key := randomKey(rng).ID()
			if n > 0 && rng.IntN(3) == 0 {
				key = d.At(rng.IntN(n)).ID
			}
			near, next := slices.Clone(list), slices.Clone(list)
			slices.SortFunc(near, func(a, b *overlay.Contact) int { return a.ID.Xor(key).Compare(b.ID.Xor(key)) })
			slices.SortFunc(next, func(a, b *overlay.Contact) int { return a.ID.Sub(key).Compare(b.ID.Sub(key)) })
			if k := min(5, n); !slices.Equal(d.Nearest(key, 5), near[:k]) || !slices.Equal(d.Successors(key, 5), next[:k]) {
				t.Fatalf("%d contacts: nearest or successors of %s are wrong", n, key.Short())
			}
		}
	}
}

// TestDirectorySkewed: places that are not spread evenly are found too.
func TestDirectorySkewed(t *testing.T) {
	var list []*overlay.Contact
	for i := range 500 {
		list = append(list, &overlay.Contact{ID: overlay.ID{7: byte(i), 8: byte(i >> 8), 20: 1}, Peer: "p"})
	}
	d := newDirectory(slices.Clone(list))
	for _, c := range list {
		if d.At(d.Find(c.ID)) != c {
			t.Fatalf("%s is not found", c.ID)
		}
	}
	if d.Find(overlay.ID{0: 9}) >= 0 || d.Find(overlay.ID{}) >= 0 {
		t.Error("found who is not there")
	}
}

func TestPeerNumbers(t *testing.T) {
	for i, p := range makePeers(5, 70_000, 10) {
		if n, ok := numberOf(p, 5); !ok || n != uint32(70_000+i) {
			t.Errorf("peer %d is numbered %d, %v", i, n, ok)
		}
		if _, ok := numberOf(p, 6); ok {
			t.Error("a peer of another run was taken for one of this")
		}
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	}
}
