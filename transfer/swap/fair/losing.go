package fair

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// This file has the rules that [Credit] was measured against. They are kept so
// that the measurement can be repeated.

// LowestDeficit serves whoever was sent least for what it gave, everybody if
// need be (FairTorrent). A seed thereby serves everyone alike.
type LowestDeficit struct {
	Book *Book
	// Vouches adds what others vouch for to what a peer gave.
	Vouches bool
}

// Next is Choker's.
func (d *LowestDeficit) Next(_ time.Time, waiting []Candidate) (int, time.Duration) {
	best, least := 0, int64(0)
	for i, c := range waiting {
		a := d.Book.Account(c.Peer)
		deficit := a.Sent - a.Received
		if d.Vouches {
			deficit = a.Sent - d.Book.Credit(c.Root, c.Peer)
		}
		if i == 0 || deficit < least {
			best, least = i, deficit
		}
	}
	return best, 0
}

// TitForTat serves a few peers at a time, in turn: those that gave most of late,
// and one more by lot (BitTorrent's unchoke slots). A seed, to which nobody gives,
// takes all of them by lot.
type TitForTat struct {
	Book  *Book
	Slots int           // that are earned
	Every time.Duration // how often they are given anew
	Lot   func(n int) int

	due   time.Time
	open  []peer.ID
	then  map[peer.ID]int64 // what each had given at the last time
	turns RoundRobin
}

// Next is Choker's.
func (t *TitForTat) Next(now time.Time, waiting []Candidate) (int, time.Duration) {
	if !now.Before(t.due) {
		t.due = now.Add(t.Every)
		t.unchoke(waiting)
	}
	var fit []Candidate
	var at []int
	for i, c := range waiting {
		if slices.Contains(t.open, c.Peer) {
			fit, at = append(fit, c), append(at, i)
		}
	}
	if len(fit) == 0 { // a slot that is not used is given to another at once
		i := t.Lot(len(waiting))
		t.open = append(t.open, waiting[i].Peer)
		return i, 0
	}
	i, _ := t.turns.Next(now, fit)
	return at[i], 0
}

// unchoke gives the slots anew.
func (t *TitForTat) unchoke(waiting []Candidate) {
	gave := make(map[peer.ID]int64, len(waiting))
	for _, c := range waiting {
		gave[c.Peer] = t.Book.Account(c.Peer).Received - t.then[c.Peer]
	}
	order := slices.Clone(waiting)
	slices.SortStableFunc(order, func(a, b Candidate) int { return cmp.Compare(gave[b.Peer], gave[a.Peer]) })
	t.open = t.open[:0]
	for _, c := range order {
		if len(t.open) < t.Slots && gave[c.Peer] > 0 && !slices.Contains(t.open, c.Peer) {
			t.open = append(t.open, c.Peer)
		}
	}
	for range t.Slots + 1 - len(t.open) {
		t.open = append(t.open, waiting[t.Lot(len(waiting))].Peer)
	}
	t.then = make(map[peer.ID]int64, len(gave))
	for p := range gave {
		t.then[p] = t.Book.Account(p).Received
	}
}
