package sim

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

func someContacts(salt uint64, n int) []*overlay.Contact {
	var out []*overlay.Contact
	b := makeBlock(salt, 0, n)
	for i := range uint32(n) {
		c := overlay.NewContact(b.peer(i))
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

// TestPeerNumbers: a peer ID says its number, by its bytes wherever it lies, and by
// where it lies in the block in which it was made.
func TestPeerNumbers(t *testing.T) {
	b := makeBlock(5, 70_000, 10)
	for i := range uint32(10) {
		p := b.peer(70_000 + i)
		if n, ok := numberOf(p, 5); !ok || n != 70_000+i {
			t.Errorf("peer %d is numbered %d, %v", i, n, ok)
		}
		if _, ok := numberOf(p, 6); ok {
			t.Error("a peer of another run was taken for one of this")
		}
		if n, ok := b.number(p); !ok || n != 70_000+i || !b.has(n) {
			t.Errorf("peer %d lies at %d, %v", i, n, ok)
		}
		for _, elsewhere := range []peer.ID{"", p[1:], p[:peerBytes-1], peer.ID(strings.Clone(string(p)))} {
			if n, ok := b.number(elsewhere); ok {
				t.Errorf("%q lies at %d", elsewhere, n)
			}
		}
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	}
	if b.has(69_999) || b.has(70_010) {
		t.Error("a block has numbers that it has not")
	}
}
