package fair

import (
	"slices"
	"time"
)

// This file is when gifts go out: a few at a time, and not so many at once that a
// first holder has nothing left for those who pass on what they get.

// slot is a gift that is under way.
type slot struct {
	to          Candidate
	began, last time.Time // the first and the last turn of it
}

// giftStall is how long a stranger may ask for nothing more of its gift before
// another one's begins.
const giftStall = 500 * time.Millisecond

// small is what a stranger may have before it needs a slot, in bytes: the blocks
// that name the chunks.
const small = 16 << 10

// mustWait reports whether n bytes to a stranger that has had sent wait for the
// gifts under way.
func (p *Credit) mustWait(sent, n int64) bool {
	return sent < small && sent+n > small && len(p.slots) >= p.cfg.GiftSlots
}

// giftTurn notes a turn of a stranger's gift. One that is not begun takes a slot.
func (p *Credit) giftTurn(now time.Time, c Candidate, begun bool) {
	if i := slices.IndexFunc(p.slots, func(s slot) bool { return s.to.Peer == c.Peer }); i >= 0 {
		p.slots[i].last = now
	} else if !begun && p.book.Account(c.Peer).Sent+int64(c.Bytes) > small {
		p.slots = append(p.slots, slot{c, now, now})
	}
}

// endGifts forgets the gifts that are complete, take too long, or are not asked for
// any more. A household that had others wait for that comes after those that had
// not: identities are free, and each could hold a slot for a while.
func (p *Credit) endGifts(now time.Time) {
	p.slots = slices.DeleteFunc(p.slots, func(s slot) bool {
		if p.book.Account(s.to.Peer).Sent >= p.cfg.Gift {
			return true
		}
		if now.Sub(s.began) <= p.cfg.GiftTime && now.Sub(s.last) <= giftStall {
			return false
		}
		p.household(s.to).stalled++
		return true
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
