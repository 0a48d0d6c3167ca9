package fair

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// This file is when gifts go out: a few at a time, and not so many at once that a
// first holder has nothing left for those who pass on what they get.

// slot is a gift that is under way.
type slot struct {
	peer  peer.ID
	began time.Time
}

// small is what a stranger may have before it needs a slot, in bytes: the blocks
// that name the chunks.
const small = 16 << 10

// mustWait reports whether n bytes to a stranger that has had sent wait for the
// gifts under way.
func (p *Credit) mustWait(sent, n int64) bool {
	return sent < small && sent+n > small && len(p.slots) >= p.cfg.GiftSlots
}

// beginGift notes a first turn of a stranger.
func (p *Credit) beginGift(now time.Time, c Candidate) {
	if p.book.Account(c.Peer).Sent+int64(c.Bytes) > small {
		p.slots = append(p.slots, slot{c.Peer, now})
	}
}

// endGifts forgets the gifts that are complete, or take too long.
func (p *Credit) endGifts(now time.Time) {
	p.slots = slices.DeleteFunc(p.slots, func(s slot) bool {
		return now.Sub(s.began) > p.cfg.GiftTime || p.book.Account(s.peer).Sent >= p.cfg.Gift
	})
}

// makeWay counts gifts that go before contributors, and what these get.
func (p *Credit) makeWay(c Candidate, k class, contributors bool) {
	n := int64(c.Bytes)
	switch {
	case k == asContributor:
		p.early = max(p.early-n, 0)
	case k != asLeftover && contributors && p.first(c):
		p.early += p.cfg.GiftTurn * n
	}
}

// first reports whether c wants what this node alone had, and has not sent twice.
func (p *Credit) first(c Candidate) bool {
	s := p.book.Swarm(c.Root)
	return s != nil && s.Origin() && s.traffic < 2*s.size
}

// origin reports whether this node had everything of c's root before.
func (p *Credit) origin(c Candidate) bool {
	s := p.book.Swarm(c.Root)
	return s != nil && s.Origin()
}
