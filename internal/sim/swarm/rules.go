package swarm

import (
	"math/rand/v2"
	"time"

	"ringswap/transfer/swap/fair"
)

// Rule makes the choker of a node: chunk is the size of a chunk in bytes.
type Rule struct {
	Name string
	Make func(b *fair.Book, chunk int, rng *rand.Rand) fair.Choker
}

// Rules are the rules for serving that are compared; the last one is used.
func Rules() []Rule {
	return []Rule{
		{"in turn", func(*fair.Book, int, *rand.Rand) fair.Choker { return &fair.RoundRobin{} }},
		{"tit for tat", func(b *fair.Book, _ int, rng *rand.Rand) fair.Choker {
			return &fair.TitForTat{Book: b, Slots: 4, Every: 10 * time.Second, Lot: rng.IntN}
		}},
		{"deficit", func(b *fair.Book, _ int, _ *rand.Rand) fair.Choker { return &fair.LowestDeficit{Book: b} }},
		{"deficit, vouches", func(b *fair.Book, _ int, _ *rand.Rand) fair.Choker {
			return &fair.LowestDeficit{Book: b, Vouches: true}
		}},
		{"credit", func(b *fair.Book, chunk int, _ *rand.Rand) fair.Choker {
			c := int64(chunk)
			return fair.NewCredit(b, fair.CreditConfig{Gift: c, Gifts: 2 * c, SeedGifts: 32 * c, HouseholdGifts: 2 * c, GiftBurst: 4 * c, GiftRate: c / 64, Taste: firstTurn, Tastes: 2 * c})
		}},
	}
}

// tyrant gives to those who give most for what they get, and no more than keeps
// them giving.
type tyrant struct{ book *fair.Book }

// Next is fair.Choker's.
func (t *tyrant) Next(_ time.Time, waiting []fair.Candidate) (int, time.Duration) {
	best, most := -1, 0.0
	for i, c := range waiting {
		a := t.book.Account(c.Peer)
		if a.Sent > firstTurn+a.Received/2 {
			continue
		}
		if v := float64(a.Received+1) / float64(a.Sent+firstTurn); best < 0 || v > most {
			best, most = i, v
		}
	}
	return best, time.Second
}
