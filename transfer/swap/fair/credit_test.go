package fair

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

var (
	start = time.Unix(1e9, 0)
	root  = cid.Undef
)

const turn = 64 << 10

func net24(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
}

// serve lets the rule give turns to the peers until it refuses or n are given.
func serve(b *Book, c *Credit, now time.Time, n int, who ...Candidate) map[peer.ID]int64 {
	got := make(map[peer.ID]int64)
	for range n {
		i, _ := c.Next(now, who)
		if i < 0 {
			break
		}
		b.Sent(who[i].Root, who[i].Peer, int64(who[i].Bytes))
		got[who[i].Peer] += int64(who[i].Bytes)
	}
	return got
}

func TestCreditServesContributorsByDeficit(t *testing.T) {
	b := NewBook(0)
	c := NewCredit(b, CreditConfig{})
	b.Join(root, 1<<30, false)
	b.Received(root, "gives", 8<<20)
	b.Received(root, "gives less", 4<<20)
	got := serve(b, c, start, 96, Candidate{Peer: "gives less", Bytes: turn}, Candidate{Peer: "gives", Bytes: turn})
	if got["gives"]-got["gives less"] < 4<<20-turn {
		t.Errorf("%v", got)
	}
}

// TestCreditGiftsAreBounded lets a crowd that never gives anything do what it
// likes: as many identities as it wants, of as many networks, at any time, saying
// that it has anything. What a node that still fetches gives it is bounded.
func TestCreditGiftsAreBounded(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		cfg := CreditConfig{GiftRate: 1 << 10}.withDefaults()
		b := NewBook(0)
		b.Join(root, 1<<30, false)
		c := NewCredit(b, cfg)
		now, sum, networks := start, int64(0), 1+rng.IntN(20)
		perNet := make(map[netip.Prefix]int64)
		for range 5000 {
			now = now.Add(time.Duration(rng.IntN(1000)) * time.Microsecond)
			who := make([]Candidate, 1+rng.IntN(60))
			for i := range who {
				who[i] = Candidate{
					Peer: peer.ID(fmt.Sprint(rng.IntN(5000))), Net: net24(rng.IntN(networks)),
					Bytes: 1 + rng.IntN(256<<10), Since: now,
				}
			}
			if i, _ := c.Next(now, who); i >= 0 {
				b.Sent(root, who[i].Peer, int64(who[i].Bytes))
				sum += int64(who[i].Bytes)
				perNet[who[i].Net] += int64(who[i].Bytes)
			}
		}
		free := int64(now.Sub(start).Seconds() * float64(cfg.GiftRate))
		if most := cfg.Gifts + cfg.Tastes + 2*free; sum > most {
			t.Errorf("seed %d: %d bytes for nothing, at most %d", seed, sum, most)
		}
		for p, n := range perNet {
			if most := cfg.HouseholdGifts + free; n > most {
				t.Errorf("seed %d: %d bytes for %v, at most %d", seed, n, p, most)
			}
		}
		if len(c.gifts.owed) > maxOwed || len(c.networks) > maxHouseholds {
			t.Errorf("seed %d: remembers %d peers and %d networks", seed, len(c.gifts.owed), len(c.networks))
		}
	}
}

func TestCreditGiftIsMadeUpFor(t *testing.T) {
	b := NewBook(0)
	b.Join(root, 1<<30, false)
	c := NewCredit(b, CreditConfig{Gifts: 1 << 20, Taste: 1, Tastes: 1})
	a, z := Candidate{Peer: "a", Bytes: turn}, Candidate{Peer: "z", Bytes: turn}
	if got := serve(b, c, start, 100, a); got["a"] != 1<<20 {
		t.Fatalf("a gift of %d bytes", got["a"])
	}
	if got := serve(b, c, start, 100, z); got["z"] != 0 {
		t.Fatalf("%d bytes though all gifts are given", got["z"])
	}
	b.Received(root, "a", 1)
	if got := serve(b, c, start, 100, a, z); got["z"] != 1<<20 {
		t.Fatalf("%d bytes after the first gift was made up for", got["z"])
	}
}

func TestCreditSeedGivesLeftoversToAnyone(t *testing.T) {
	b := NewBook(0)
	b.Join(root, 1<<30, true)
	c := NewCredit(b, CreditConfig{})
	taker, giver := Candidate{Peer: "taker", Bytes: turn}, Candidate{Peer: "giver", Bytes: turn}
	b.Received(root, "giver", 1<<30)
	serve(b, c, start, 16, taker) // its gift
	if got := serve(b, c, start, 100, taker, giver); got["taker"] != 0 {
		t.Errorf("%d bytes left over though a contributor waits", got["taker"])
	}
	if got := serve(b, c, start.Add(time.Second), 100, taker); got["taker"] != 100*turn {
		t.Errorf("%d bytes left over when none waits", got["taker"])
	}
}

// TestCreditFirstCopyGoesToContributors has a crowd of strangers come to a node that
// alone has everything, beside one that passes on what it gets.
func TestCreditFirstCopyGoesToContributors(t *testing.T) {
	const size, burst = 64 << 20, 2 << 20
	b := NewBook(0)
	b.Join(root, size, true)
	c := NewCredit(b, CreditConfig{GiftBurst: burst})
	for i := range 8 { // whose word counts, since they were sent something
		b.Sent(root, peer.ID(fmt.Sprint("friend", i)), size/4)
		v := Vouch{Root: root, By: peer.ID(fmt.Sprint("friend", i)), For: "giver", Bytes: size / 4, At: start}
		if err := b.Vouch(start, "giver", v); err != nil {
			t.Fatal(err)
		}
	}
	b.Swarm(root).traffic = 0
	who := []Candidate{{Peer: "giver", Bytes: turn}}
	for i := range 30 {
		who = append(who, Candidate{Peer: peer.ID(fmt.Sprint("stranger", i)), Bytes: turn})
	}
	first := serve(b, c, start, 256, who...) // 16 MiB
	gifts := int64(256*turn) - first["giver"]
	if most := int64(burst + (256*turn-burst)/8 + turn); gifts > most || gifts < most-2*turn {
		t.Errorf("%d bytes of gifts, at most %d", gifts, most)
	}
	b.Swarm(root).traffic = 2 * size
	if got := serve(b, c, start, 64, who...); got["giver"] > 0 {
		t.Errorf("%d bytes before gifts when everything was sent twice", got["giver"])
	}
	// Where nobody passes anything on, nothing is held back.
	b.Swarm(root).traffic = 0
	if got := serve(b, c, start, 16, Candidate{Peer: "late", Bytes: turn}); got["late"] != 16*turn {
		t.Errorf("%d bytes to a stranger alone", got["late"])
	}
}

// contribute makes peers contributors of a node that alone has size bytes of root.
func contribute(t *testing.T, b *Book, size int64, who ...peer.ID) {
	t.Helper()
	b.Join(root, size, true)
	for _, p := range who {
		friend := p + "'s friend" // whose word counts, since it was sent something
		b.Sent(root, friend, size/2)
		if err := b.Vouch(start, p, Vouch{Root: root, By: friend, For: p, Bytes: size / 2, At: start}); err != nil {
			t.Fatal(err)
		}
	}
	b.Swarm(root).traffic = 0
}

// TestCreditRareBlocksFirst has contributors want blocks of which one, two and no
// copies have left the node that alone has them.
func TestCreditRareBlocksFirst(t *testing.T) {
	const size = 64 << 20
	b := NewBook(0)
	contribute(t, b, size, "a", "b", "c", "d")
	c := NewCredit(b, CreditConfig{})
	var crowd []Candidate // that waits for what everyone has
	for i := range copiesCrowd {
		crowd = append(crowd, Candidate{Peer: peer.ID(fmt.Sprint("crowd", i)), Block: "all", Bytes: turn})
		contribute(t, b, size, crowd[i].Peer)
	}
	serve(b, c, start, 1, crowd[0])
	serve(b, c, start, 1, crowd[1])
	turnOf := func(who ...Candidate) peer.ID {
		t.Helper()
		who = append(who, crowd...)
		for got := range serve(b, c, start, 1, who...) {
			return got
		}
		t.Fatal("nobody is served")
		return ""
	}
	want := func(p peer.ID, block string) Candidate { return Candidate{Peer: p, Block: block, Bytes: turn} }
	if p := turnOf(want("stranger", "gift")); p != "stranger" {
		t.Fatalf("%s is served", p)
	}
	if p := turnOf(want("a", "one")); p != "a" {
		t.Errorf("%s is served", p)
	}
	if p := turnOf(want("c", "one"), want("b", "two"), want("a", "one")); p != "a" {
		t.Errorf("%s is served before the one that has begun its block", p)
	}
	if p := turnOf(want("c", "one"), want("b", "two")); p != "b" {
		t.Errorf("%s is served, who wants what has left already", p)
	}
	if p := turnOf(want("c", "one"), want("d", "gift")); p != "d" {
		t.Errorf("%s is served, who wants what a contributor has, before what only a stranger has", p)
	}
	// Whoever wants what everyone has is not left for ever.
	served := false
	for i := range 2 * c.cfg.Mercy {
		rare := want("b", fmt.Sprint("rare", i))
		served = served || turnOf(rare, want("c", "one")) == "c"
	}
	if !served {
		t.Error("who wants what others have is never served")
	}
	serve(b, c, start, 1, want("d", "one"))
	few := serve(b, c, start, 1, want("c", "one"), want("b", "four"))
	if few["c"] == 0 { // which was sent less
		t.Errorf("%v are served by copies though few wait", few)
	}
	b.Swarm(root).traffic = 2 * size
	if p := turnOf(want("c", "one"), want("d", "three")); p == "d" || b.Swarm(root).copies.count != nil {
		t.Errorf("%s is served by copies though everything was sent twice: %v", p, b.Swarm(root).copies)
	}
}

// TestCopiesAreBounded has more peers ask for more blocks than are counted.
func TestCopiesAreBounded(t *testing.T) {
	var k copies
	for i := range 4 * maxCopies {
		k.add(peer.ID(fmt.Sprint(i%(2*MaxVouchers))), fmt.Sprint(i), strangersCopy)
	}
	if len(k.count) > maxCopies || len(k.at) > MaxVouchers {
		t.Errorf("%d blocks and %d peers", len(k.count), len(k.at))
	}
}

// TestCreditGiftsOneAfterTheOther has strangers come at once: what is given to all
// at the same time would be whole for none of them for long.
func TestCreditGiftsOneAfterTheOther(t *testing.T) {
	b := NewBook(0)
	b.Join(root, 64<<20, true)
	c := NewCredit(b, CreditConfig{})
	var who []Candidate
	for i := range 8 {
		who = append(who, Candidate{Peer: peer.ID(rune('a' + i)), Bytes: turn, Since: start.Add(time.Duration(i))})
	}
	const gift = 1 << 20 / turn
	for k := 2; k <= 8; k += 2 {
		serve(b, c, start, 2*gift, who...)
		for i, w := range who {
			if sent := b.Account(w.Peer).Sent; (sent == 1<<20) != (i < k) || sent > 1<<20 {
				t.Errorf("after %d gifts stranger %d has %d bytes", k, i, sent)
			}
		}
	}
	// Those who do not take theirs make the others wait for a while only, and nobody
	// who asks for no gift waits for them.
	b, now := NewBook(0), start
	b.Join(root, 64<<20, true)
	c = NewCredit(b, CreditConfig{})
	serve(b, c, now, 1, who[0])
	serve(b, c, now, 1, who[1])
	if got := serve(b, c, now, 1, who[2]); len(got) > 0 {
		t.Errorf("a third gift is begun: %v", got)
	}
	b.Received(root, "gives", 1<<20)
	if got := serve(b, c, now, 1, who[2], Candidate{Peer: "gives", Bytes: turn}); got["gives"] == 0 {
		t.Errorf("a contributor waits: %v", got)
	}
	now = now.Add(time.Second)
	if got := serve(b, c, now, 1, who[2]); len(got) == 0 {
		t.Error("gifts that are not taken hold up the next one for a second")
	}
}

// TestCreditStalledGifts has households send one identity after the other that take
// a first turn and then ask for nothing: whoever is new goes before their next one.
func TestCreditStalledGifts(t *testing.T) {
	b, now := NewBook(0), start
	b.Join(root, 64<<20, true)
	c := NewCredit(b, CreditConfig{})
	bad := func(i int) Candidate {
		return Candidate{Peer: peer.ID(fmt.Sprint("bad ", i)), Net: net24(i % 2), Bytes: turn, Since: start}
	}
	for round := range 20 {
		serve(b, c, now, 1, bad(2*round))
		serve(b, c, now, 1, bad(2*round+1))
		now = now.Add(time.Second)
		next := []Candidate{bad(2*round + 2), bad(2*round + 3)}
		honest := Candidate{Peer: peer.ID(fmt.Sprint("honest ", round)), Net: net24(100 + round), Bytes: turn, Since: now}
		if got := serve(b, c, now, 1, append(next, honest)...); got[honest.Peer] == 0 {
			t.Fatalf("round %d: %v go before a newcomer of another household", round, got)
		}
		now = now.Add(time.Second)
	}
}

func TestVouchesAreRefused(t *testing.T) {
	b := NewBook(0)
	b.Join(root, 1<<20, true)
	b.Sent(root, "v", 1<<18)
	good := Vouch{Root: root, By: "v", For: "p", Bytes: 1 << 10, At: start}
	with := func(f func(*Vouch)) Vouch {
		v := good
		f(&v)
		return v
	}
	other := cid.MustParse("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e")
	for name, tc := range map[string]struct {
		v    Vouch
		want error
	}{
		"stolen":             {with(func(v *Vouch) { v.For = "q" }), ErrVouchStranger},
		"for itself":         {with(func(v *Vouch) { v.By = "p" }), ErrVouchSelf},
		"another swarm":      {with(func(v *Vouch) { v.Root = other }), ErrVouchRoot},
		"more than there is": {with(func(v *Vouch) { v.Bytes = 1 << 22 }), ErrVouchBytes},
		"negative":           {with(func(v *Vouch) { v.Bytes = -1 }), ErrVouchBytes},
		"old":                {with(func(v *Vouch) { v.At = start.Add(-time.Hour) }), ErrVouchStale},
		"from the future":    {with(func(v *Vouch) { v.At = start.Add(time.Hour) }), ErrVouchFuture},
	} {
		if err := b.Vouch(start, "p", tc.v); !errors.Is(err, tc.want) || !errors.Is(err, ErrVouch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 3 { // repeating changes nothing
		if err := b.Vouch(start, "p", good); err != nil {
			t.Fatal(err)
		}
	}
	if c := b.Credit(root, "p"); c != 1<<10 {
		t.Errorf("credit %d", c)
	}
	if err := b.Vouch(start, "p", with(func(v *Vouch) { v.Bytes, v.At = 1, start.Add(-time.Second) })); err != nil {
		t.Errorf("an older one: %v", err)
	}
	if err := b.Vouch(start, "p", with(func(v *Vouch) { v.Bytes, v.At = 1, start.Add(time.Second) })); err != nil {
		t.Errorf("a later one of less: %v", err)
	}
	if c := b.Credit(root, "p"); c != 1<<10 {
		t.Errorf("credit %d", c)
	}
}

func TestVouchesAreBounded(t *testing.T) {
	b := NewBook(0)
	s := b.Join(root, 1<<40, true)
	b.Sent(root, "v", 1<<20)
	many := 0
	for i := range 3 * MaxVouches {
		p := peer.ID(fmt.Sprint("p", i))
		if b.Vouch(start, p, Vouch{Root: root, By: "v", For: p, Bytes: 1, At: start}) == nil {
			many++
		}
	}
	if many != MaxVouches {
		t.Errorf("one peer vouches for %d", many)
	}
	for i := range 5 * MaxVouchers {
		p := peer.ID(fmt.Sprint("m", i))
		b.Sent(root, p, 1)
		for back := range min(i, 3) {
			by := peer.ID(fmt.Sprint("m", i-1-back*300))
			if err := b.Vouch(start, p, Vouch{Root: root, By: by, For: p, Bytes: int64(i), At: start}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(s.members) > MaxVouchers {
		t.Errorf("%d members", len(s.members))
	}
	for p, m := range s.members {
		for _, c := range m.about {
			if c.by.said[p] != c {
				t.Errorf("%s is vouched for by a peer that is forgotten", p)
			}
		}
		var claimed int64
		for _, c := range m.said {
			claimed += c.bytes
		}
		if claimed != m.claimed {
			t.Errorf("%s claims %d bytes, counted %d", p, claimed, m.claimed)
		}
	}
}

// TestVouchedNeverExceedsPower is the bound on what a clique can gain: whatever
// its members say of each other, the credit of all of them together is no more
// than the power of those who spoke, so with a node that fetches or did no more than
// what they gave it, and with one that had everything no more than what it sent them, and none once
// each had everything from it.
func TestVouchedNeverExceedsPower(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		b := NewBook(0)
		complete := rng.IntN(2) == 0
		size := int64(1 + rng.IntN(1<<20))
		s := b.Join(root, size, complete)
		ids := make([]peer.ID, 2+rng.IntN(10))
		for i := range ids {
			ids[i] = peer.ID(fmt.Sprint(i))
		}
		for range 300 {
			v, p := ids[rng.IntN(len(ids))], ids[rng.IntN(len(ids))]
			switch rng.IntN(4) {
			case 0:
				b.Sent(root, v, rng.Int64N(size))
			case 1:
				b.Received(root, v, rng.Int64N(size/8+1))
			default:
				_ = b.Vouch(start, p, Vouch{Root: root, By: v, For: p, Bytes: rng.Int64N(2 * size), At: start})
			}
		}
		var credit, power int64
		for _, p := range ids {
			credit += s.Vouched(p)
			if m := s.members[p]; m != nil {
				power += s.power(m)
			}
		}
		if credit > power {
			t.Errorf("seed %d: credit %d of power %d", seed, credit, power)
		}
	}
}

// TestFinishedNodeBelievesThoseWhoGave: once it has everything, a node that got it
// here still believes those that gave to it, and nobody because of what they took.
func TestFinishedNodeBelievesThoseWhoGave(t *testing.T) {
	b := NewBook(0)
	b.Join(root, 1<<30, false)
	b.Received(root, "giver", 1<<20)
	b.Join(root, 1<<30, true)
	b.Sent(root, "taker", 1<<20)
	for by, p := range map[peer.ID]peer.ID{"giver": "friend", "taker": "accomplice"} {
		if err := b.Vouch(start, p, Vouch{Root: root, By: by, For: p, Bytes: 1 << 20, At: start}); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.Credit(root, "friend"); got != 1<<20 {
		t.Errorf("whom a giver vouches for has %d bytes of credit", got)
	}
	if got := b.Credit(root, "accomplice"); got != 0 {
		t.Errorf("whom a taker vouches for has %d bytes of credit", got)
	}
}

// FuzzCredit lets anything wait: the rule names somebody who does, or nobody.
func FuzzCredit(f *testing.F) {
	f.Add(uint64(1), true)
	f.Add(uint64(2), false)
	f.Fuzz(func(t *testing.T, seed uint64, complete bool) {
		rng := rand.New(rand.NewPCG(seed, 3))
		b := NewBook(8)
		b.Join(root, 1<<20, complete)
		rules := []Choker{NewCredit(b, CreditConfig{}), &RoundRobin{}, &LowestDeficit{Book: b, Vouches: true}, &TitForTat{Book: b, Slots: 2, Every: time.Second, Lot: rng.IntN}}
		now := start
		for range 200 {
			now = now.Add(time.Duration(rng.Int64N(1e9)))
			who := make([]Candidate, 1+rng.IntN(10))
			for i := range who {
				who[i] = Candidate{Peer: peer.ID(fmt.Sprint(rng.IntN(20))), Bytes: rng.IntN(1 << 20), Block: string(rune('a' + rng.IntN(4)))}
				b.Received(root, who[i].Peer, rng.Int64N(1<<20)-1<<18)
			}
			for _, r := range rules {
				i, wait := r.Next(now, who)
				if i < -1 || i >= len(who) || wait < 0 {
					t.Fatalf("%T: %d of %d, %v", r, i, len(who), wait)
				}
				if i >= 0 {
					b.Sent(root, who[i].Peer, int64(who[i].Bytes))
				}
			}
		}
	})
}
