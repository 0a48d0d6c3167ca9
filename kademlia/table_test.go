package kademlia

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	ma "github.com/multiformats/go-multiaddr"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// at makes a contact whose ID begins with the given bits, as in at("0010"), and
// goes on with n, so that tests can be read.
func at(bits string, n int, addrs ...string) *overlay.Contact {
	var id overlay.ID
	for i, b := range bits {
		if b == '1' {
			id[i/8] |= 0x80 >> (i % 8)
		}
	}
	binary.BigEndian.PutUint32(id[28:], uint32(n))
	c := &overlay.Contact{ID: id, Peer: peer.ID(fmt.Sprintf("peer %s/%d", bits, n))}
	for _, a := range addrs {
		c.Addrs = append(c.Addrs, ma.StringCast(a))
	}
	return c
}

func smallTable(k int) *table {
	cfg := TableConfig{BucketSize: k, Spares: 3, PerGroup: 3, PerGroupDepth: 2}
	t := newTable(overlay.ID{}, k, &cfg) // this node is 000...
	return &t
}

func (t *table) shape() (sizes []int) {
	for _, b := range t.buckets {
		sizes = append(sizes, len(b.live))
	}
	return sizes
}

func must(t *testing.T, tab *table) {
	t.Helper()
	if err := tab.check(); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyOwnBucketSplits(t *testing.T) {
	tab := smallTable(4)
	for i := range 4 {
		tab.seen(1, at("1", i))
		tab.seen(1, at("01", i))
		tab.seen(1, at("001", i))
		must(t, tab)
	}
	for i := 4; i < 20; i++ { // the far half has no room for more
		tab.seen(1, at("1", i))
		must(t, tab)
	}
	if got := tab.shape(); !slices.Equal(got, []int{4, 4, 4}) {
		t.Errorf("buckets of %v contacts", got)
	}
	if got := len(tab.buckets[0].spare); got != 3 {
		t.Errorf("%d spares, want the 3 most recent", got)
	}
}

// TestNearestSubtreeIsKnownInFull is the paper's relaxation for unbalanced
// trees: all of the smallest subtree with K nodes is kept, though the other half
// of it is more than a bucket holds.
func TestNearestSubtreeIsKnownInFull(t *testing.T) {
	tab := smallTable(4)
	for i := range 9 {
		tab.seen(1, at("01", i))
		tab.seen(1, at("1", i))
		must(t, tab)
	}
	tab.seen(1, at("001", 1))
	tab.seen(1, at("000", 1))
	must(t, tab)
	if got := tab.shape(); got[0] != 4 || got[1] != 9 {
		t.Errorf("buckets of %v contacts: the nearest subtree is 0..., all 9 of 01 belong to it", got)
	}
	for i := 2; i < 5; i++ { // now 00 holds four: 01 is an ordinary bucket
		tab.seen(2, at("001", i))
		must(t, tab)
	}
	if got := tab.shape(); got[1] != 4 {
		t.Errorf("buckets of %v contacts: 01 is to hold 4 again", got)
	}
	for i := 2; i < 5; i++ { // they fall silent: 01 is near again, and takes in its spares
		tab.failed(3, at("001", i).ID)
		must(t, tab)
	}
	if got := tab.shape(); got[1] != 7 {
		t.Errorf("buckets of %v contacts: 01 is to have its 3 spares back", got)
	}
}

func TestSilentContactStaysUntilReplaced(t *testing.T) {
	tab := smallTable(4)
	for i := range 4 {
		tab.seen(stamp(i), at("1", i))
		tab.seen(stamp(i), at("01", i))
	}
	victim := at("1", 2).ID
	tab.failed(10, victim)
	if e := tab.find(victim); e == nil || !e.silent() {
		t.Fatal("a silent contact without a replacement is to stay")
	}
	if got := tab.closest(victim, 1); got[0].ID == victim {
		t.Error("a silent contact was handed out")
	}
	tab.seen(11, at("1", 9))
	must(t, tab)
	if tab.find(victim) != nil || tab.find(at("1", 9).ID) == nil {
		t.Error("the newcomer is to replace the silent contact")
	}
	// With a spare at hand the replacement comes with the failure.
	tab.seen(12, at("1", 10))
	if tab.find(at("1", 10).ID) != nil {
		t.Fatal("a full bucket took a newcomer")
	}
	tab.failed(13, at("1", 0).ID)
	must(t, tab)
	if tab.find(at("1", 0).ID) != nil || tab.find(at("1", 10).ID) == nil {
		t.Error("the spare is to replace the contact that failed")
	}
}

func TestLeastRecentlySeenFirst(t *testing.T) {
	tab := smallTable(4)
	for i := range 4 {
		tab.seen(stamp(i), at("1", i))
	}
	tab.seen(9, at("1", 0))
	var order []uint32
	for _, e := range tab.buckets[0].live {
		order = append(order, binary.BigEndian.Uint32(e.c.ID[28:]))
	}
	if !slices.Equal(order, []uint32{1, 2, 3, 0}) {
		t.Errorf("order of last signs of life: %v", order)
	}
}

func TestDiversity(t *testing.T) {
	tab := smallTable(8)
	public := func(bits string, n int, addr string) *overlay.Contact { return at(bits, n, addr) }
	tab.seen(1, public("1", 1, "/ip4/8.8.1.1/tcp/1"))
	tab.seen(1, public("1", 2, "/ip4/8.8.2.2/udp/1/quic-v1"))
	tab.seen(1, public("1", 3, "/ip4/8.8.3.3/tcp/1")) // third at this depth
	if got := tab.size; got != 2 {
		t.Fatalf("%d of one /16 at one depth, want 2", got)
	}
	tab.seen(1, public("01", 1, "/ip4/8.8.4.4/tcp/1"))
	tab.seen(1, public("001", 1, "/ip4/8.8.5.5/tcp/1")) // fourth in the table
	if got := tab.size; got != 3 {
		t.Fatalf("%d of one /16 in the table, want 3", got)
	}
	tab.seen(1, public("001", 2, "/ip4/9.9.9.9/tcp/1"))
	tab.seen(2, public("001", 2, "/ip4/8.8.6.6/tcp/1")) // one may not move into a full block either
	if e := tab.find(at("001", 2).ID); e == nil || e.c.Addrs[0].String() != "/ip4/9.9.9.9/tcp/1" {
		t.Error("a contact moved into a block that is full")
	}
	for i := range 5 {
		tab.seen(1, public("0001", i, fmt.Sprintf("/ip4/192.168.1.%d/tcp/1", i)))
		tab.seen(1, public("00001", i, fmt.Sprintf("/ip6/2001:db9:%x::1/tcp/1", i))) // one /32
		tab.seen(1, public("000001", i, "/ip4/8.8.1.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit"))
	}
	must(t, tab)
	if got := tab.size; got != 3+1+5+2+5 {
		t.Errorf("%d contacts: private and relayed ones are not limited, a /32 of IPv6 is", got)
	}
}

// TestTableAgainstOracle runs random changes, and compares what the table finds
// with sorting all of it.
func TestTableAgainstOracle(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 5))
		cfg := TableConfig{BucketSize: 3 + rng.IntN(4), Spares: 1 + rng.IntN(4), PerGroup: 3, PerGroupDepth: 2}
		tab := newTable(overlay.ID{31: byte(seed)}, 3, &cfg)
		var ids []overlay.ID
		for step := range 400 {
			id := overlay.ID{0: byte(rng.Uint32()) >> rng.IntN(8), 31: byte(rng.Uint32())}
			if len(ids) > 0 && rng.IntN(2) == 0 {
				id = ids[rng.IntN(len(ids))]
			}
			ids = append(ids, id)
			c := &overlay.Contact{ID: id, Peer: peer.ID(id[:])}
			if rng.IntN(3) == 0 {
				c.Addrs = []ma.Multiaddr{ma.StringCast(fmt.Sprintf("/ip4/8.%d.1.1/tcp/1", rng.IntN(6)))}
			}
			now := stamp(step)
			switch rng.IntN(6) {
			case 0, 1, 2:
				tab.seen(now, c)
			case 3:
				tab.failed(now, id)
			case 4:
				tab.offer(now, c)
			case 5:
				if rng.IntN(4) == 0 {
					tab.drop(id)
				}
			}
			if err := tab.check(); err != nil {
				t.Fatalf("seed %d step %d: %v", seed, step, err)
			}
			target := overlay.ID{0: byte(rng.Uint32()), 31: byte(rng.Uint32())}
			var all []overlay.ID
			nearer := 0
			for _, b := range tab.buckets {
				for _, e := range b.live {
					if e.silent() {
						continue
					}
					all = append(all, e.c.ID)
					if target.Closer(e.c.ID, tab.self) {
						nearer++
					}
				}
			}
			slices.SortFunc(all, func(a, b overlay.ID) int { return a.Xor(target).Compare(b.Xor(target)) })
			n := rng.IntN(12)
			var got []overlay.ID
			for _, c := range tab.closest(target, n) {
				got = append(got, c.ID)
			}
			if !slices.Equal(got, all[:min(n, len(all))]) {
				t.Fatalf("seed %d step %d: closest is wrong", seed, step)
			}
			if got := tab.closerThanSelf(target, 1000); got != nearer {
				t.Fatalf("seed %d step %d: %d nearer than self, counted %d", seed, step, nearer, got)
			}
		}
	}
}

// TestFill: filling an empty table at once keeps its promises and takes whom
// filling it one by one takes.
func TestFill(t *testing.T) {
	for _, n := range []int{0, 1, 20, 21, 300, 3000} {
		rng := rand.New(rand.NewPCG(uint64(n), 1))
		var contacts []*overlay.Contact
		for range n {
			contacts = append(contacts, contact(int(rng.Uint64()>>1)))
		}
		cfg := Config{}.WithDefaults().Table
		self := contact(1 << 40).ID
		sortByDistance(self, contacts)
		slow, fast := newTable(self, 20, &cfg), newTable(self, 20, &cfg)
		for _, c := range contacts {
			slow.seen(1, c)
		}
		fast.fill(1, contacts, func(*overlay.Contact) bool { return true })
		if err := fast.check(); err != nil {
			t.Fatalf("%d contacts: %v", n, err)
		}
		if fast.size != slow.size || fast.nearDepth() != slow.nearDepth() {
			t.Errorf("%d contacts: %d taken, near %d; one by one %d, near %d", n, fast.size, fast.nearDepth(), slow.size, slow.nearDepth())
		}
		for d := slow.nearDepth(); d < len(slow.buckets); d++ {
			for _, e := range slow.buckets[d].live {
				if fast.find(e.c.ID) == nil {
					t.Errorf("%d contacts: %s of the nearest subtree is missing", n, e.c.ID.Short())
				}
			}
		}
	}
}

// TestNearestThatAreAllowed: however many are refused, the nearest of the others are
// found, and all of them if there are no more.
func TestNearestThatAreAllowed(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	tab := newTable(overlay.ID{}, 20, &TableConfig{BucketSize: 400, Spares: 8, Addressless: true, PerGroup: -1})
	var all []*overlay.Contact
	for i := range 300 {
		c := overlay.Contact{Peer: peer.ID(fmt.Sprint(i))}
		for j := range c.ID {
			c.ID[j] = byte(rng.Uint32())
		}
		if i%3 == 0 { // the same first 64 bits as the one before
			copy(c.ID[:8], make([]byte, 8))
			c.ID[0] = 0x80
		}
		all = append(all, &c)
		tab.seen(1, &c)
	}
	for _, share := range []int{1, 2, 10, 300} {
		var target overlay.ID
		target[0] = byte(rng.Uint32())
		allowed := make(map[overlay.ID]bool)
		var want []*overlay.Contact
		for i, c := range all {
			if i%share == 0 {
				allowed[c.ID] = true
				want = append(want, c)
			}
		}
		slices.SortFunc(want, func(a, b *overlay.Contact) int { return target.CompareDistance(a.ID, b.ID) })
		want = want[:min(len(want), 25)]
		got := contactsOf(tab.nearest(nil, target, 25, func(e *entry) bool { return allowed[e.c.ID] }))
		if !slices.Equal(got, want) {
			t.Errorf("one in %d allowed: %d found, %d are right", share, len(got), len(want))
		}
	}
}

// TestSpareThatAnswered: it comes before one that has only asked, however
// recent, and need not be pinged.
func TestSpareThatAnswered(t *testing.T) {
	tab := smallTable(3)
	for i := range 3 {
		tab.seen(1, at("1", i))
		tab.seen(1, at("01", i))
	}
	proven, asked := at("1", 7), at("1", 8)
	tab.seen(2, proven)
	for i := range 4 { // more than there is room for
		tab.offer(3, at("1", 10+i))
	}
	tab.offer(4, asked)
	tab.offer(5, proven) // it answered before
	tab.offer(6, asked)
	must(t, tab)
	tab.failed(7, at("1", 0).ID)
	if tab.find(proven.ID) == nil || len(tab.unproven) > 0 {
		t.Errorf("%v came in, of those that never answered", tab.unproven)
	}
	tab.failed(8, at("1", 1).ID)
	if tab.find(asked.ID) == nil || len(tab.unproven) != 1 || tab.unproven[0].ID != asked.ID {
		t.Errorf("%v came in, want the one that asked last", tab.unproven)
	}
	must(t, tab)
}
