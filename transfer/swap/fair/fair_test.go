package fair

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

func TestRoundRobinServesAllAlike(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	r := &RoundRobin{}
	served := make(map[peer.ID]int)
	var waiting []Candidate
	for i := range 20 {
		waiting = append(waiting, Candidate{Peer: peer.ID(fmt.Sprint(i))})
	}
	for range 4000 {
		rng.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
		i, _ := r.Next(time.Time{}, waiting)
		served[waiting[i].Peer]++
	}
	for p, n := range served {
		if n != 200 {
			t.Errorf("%s was served %d times of 4000", p, n)
		}
	}
	// A newcomer is served next; a crowd that passes by leaves nothing behind.
	waiting = append(waiting, Candidate{Peer: "new"})
	if i, _ := r.Next(time.Time{}, waiting); waiting[i].Peer != "new" {
		t.Errorf("%s before the newcomer", waiting[i].Peer)
	}
	for i := range 100_000 {
		r.Next(time.Time{}, []Candidate{{Peer: peer.ID(fmt.Sprint("x", i))}})
	}
	if len(r.turns) > 1000 {
		t.Errorf("%d peers remembered", len(r.turns))
	}
}

func TestBookKeepsTheImportant(t *testing.T) {
	l := NewBook(100)
	for i := range 50 {
		l.Sent(cid.Undef, peer.ID(fmt.Sprint("friend", i)), 1000)
		l.Received(cid.Undef, peer.ID(fmt.Sprint("friend", i)), 1)
	}
	for i := range 10_000 {
		l.Sent(cid.Undef, peer.ID(fmt.Sprint("passer-by", i)), 1)
	}
	if len(l.accounts) > 100 {
		t.Errorf("%d accounts", len(l.accounts))
	}
	for i := range 50 {
		if a := l.Account(peer.ID(fmt.Sprint("friend", i))); a != (Account{1000, 1}) {
			t.Errorf("friend %d: %+v", i, a)
		}
	}
}
