package fair

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// CreditConfig tunes [Credit]. The zero value of every field means its default.
type CreditConfig struct {
	// Gift is what a stranger gets from this node before it has given anything,
	// in bytes: 1 MiB, about a chunk, since less cannot be passed on. Taste is
	// what it still gets when the gifts are spent: 64 KiB.
	Gift, Taste int64
	// Gifts bounds the gifts that were not made up for where this node has not
	// everything yet or got it here, SeedGifts where it had it before, Tastes the tastes, each over all
	// strangers, in bytes: 2, 32 and 2 MiB. HouseholdGifts bounds gifts and tastes
	// to one household: 2 MiB. While few wait, Gifts is less: one Gift for every
	// eight that wait, and one more.
	Gifts, SeedGifts, Tastes, HouseholdGifts int64
	// GiftRate is how much of each of them comes free again, in bytes a second:
	// 16 KiB. Beside it, one byte comes free for every GiftShare that went to
	// contributors: 64, and four where this node had everything before. So newcomers are let in even while takers keep what they
	// had, at a price that is known.
	GiftRate, GiftShare int64
	// GiftBurst is how many bytes of gifts and tastes a node that had everything before
	// gives although contributors wait, until it has sent everything twice: 4 MiB. After
	// that each byte of them makes way for GiftTurn bytes to contributors: 7. A first
	// holder that let every newcomer in first would stop bringing new chunks to those
	// who pass them on.
	GiftBurst, GiftTurn int64
	// GiftSlots is how many strangers are given their gift at a time: 2. What is given
	// to all at once is whole for nobody until the end, and a part of a chunk cannot be
	// passed on. One that takes longer than GiftTime keeps nobody waiting: 2 s.
	GiftSlots int
	GiftTime  time.Duration
	// Line is how often a contributor's credit may be sent to it: 16. Who gives
	// less than others is put behind them, and must not be refused for it: one
	// that came late has little that anybody lacks.
	Line int64
	// Mercy is how many turns of contributors go by their deficit until one goes to
	// whoever of them has waited longest, while this node fetches: 8. A contributor whose chunks everyone has
	// can give nothing, so its deficit would keep it from those with which it could.
	// Where this node had everything before, such a turn goes by the deficit alone,
	// however many copies there are.
	Mercy int
	// Hold is how long after a contributor wanted something here a seed gives
	// nothing to anyone else, beyond gifts: 500 ms. Without it, others would get
	// what goes out between two requests of the same contributor.
	Hold time.Duration
}

func (c CreditConfig) withDefaults() CreditConfig {
	def(&c.Gift, 1<<20)
	def(&c.Taste, 64<<10)
	def(&c.Gifts, 2<<20)
	def(&c.SeedGifts, 32<<20)
	def(&c.Tastes, 2<<20)
	def(&c.HouseholdGifts, 2<<20)
	def(&c.GiftRate, 16<<10)
	def(&c.GiftShare, 64)
	def(&c.Line, 16)
	def(&c.GiftBurst, 4<<20)
	def(&c.GiftTurn, 7)
	if c.Mercy == 0 {
		c.Mercy = 8
	}
	if c.GiftSlots == 0 {
		c.GiftSlots = 2
	}
	if c.GiftTime == 0 {
		c.GiftTime = 2 * time.Second
	}
	if c.Hold == 0 {
		c.Hold = 500 * time.Millisecond
	}
	return c
}

// def sets a field that was left zero.
func def(v *int64, d int64) {
	if *v == 0 {
		*v = d
	}
}

// Validate says what is wrong with the configuration.
func (c CreditConfig) Validate() error {
	switch c = c.withDefaults(); {
	case min(c.Gift, c.Taste, c.Gifts, c.SeedGifts, c.Tastes, c.HouseholdGifts, c.GiftRate, c.GiftBurst) < 0:
		return errors.New("fair: a bound of gifts is negative")
	case c.Hold < 0 || c.GiftTime < 0:
		return fmt.Errorf("fair: a Hold of %v, a GiftTime of %v", c.Hold, c.GiftTime)
	case c.Line < 1 || c.GiftShare < 1 || c.GiftTurn < 1 || c.GiftSlots < 1:
		return fmt.Errorf("fair: a Line of %d, a GiftShare of %d, a GiftTurn of %d, %d GiftSlots", c.Line, c.GiftShare, c.GiftTurn, c.GiftSlots)
	}
	return nil
}

// Credit serves those who give. In this order:
//
//  1. Strangers get one gift, so that they have something to give; first those
//     whose gift has begun. Gifts are
//     metered over all strangers and over each household, not over identities or
//     connections; who gives something back makes room for another's. When they
//     are spent, a stranger still gets a taste, of another purse.
//  2. Contributors, by their deficit: what was sent to them minus their credit,
//     lowest first. Credit is what came from them, and what those whose word
//     counts vouch for. What this node alone had goes first to those who want a block
//     of which few copies have left it, while many contributors wait and until it has sent everything twice.
//  3. A seed gives what no contributor wants, for a while, to anyone. A node that still wants
//     something itself gives nothing more.
type Credit struct {
	cfg   CreditConfig
	book  *Book
	gifts purse
	taste purse
	asked time.Time // when a contributor was last seen waiting
	among int       // contributors that waited last time
	turns int       // of contributors since the last that was mercy
	early int64     // bytes of gifts that contributors have let pass and not had since, GiftTurn times

	slots []slot // gifts that are under way

	networks map[netip.Prefix]*household
	loners   map[peer.ID]*household // those without a network
}

// household is what went to one network or peer for nothing, in bytes.
type household struct {
	gifts   purse
	taken   int64 // for ever, with leftovers
	stalled int64 // gifts that were begun and not taken in time
}

// maxHouseholds bounds the memory of Credit: about 1 MiB.
const maxHouseholds = 4096

// NewCredit makes the rule over a book, which its owner keeps up to date.
func NewCredit(b *Book, cfg CreditConfig) *Credit {
	return &Credit{
		cfg: cfg.withDefaults(), book: b,
		networks: make(map[netip.Prefix]*household), loners: make(map[peer.ID]*household),
	}
}

// class is the kind of a turn, the one that goes first being the least.
type class int

const (
	asGift class = iota
	asTaste
	asContributor
	asLateGift
	asLateTaste
	asNext // a gift that waits for those under way
	asLeftover
	refused
)

// afterContributors is from the class of a gift to that of one which has to wait.
const afterContributors = asLateGift - asGift

// rank is a place in the queue.
type rank struct {
	class  class
	copies int   // of the block that is wanted, which went to others: fewer go first
	begun  bool  // a gift, or a block, that is not finished goes before a new one
	level  int64 // then the lower one
	rest   int64 // then whoever has more of its next chunk
	since  time.Time
}

func (r rank) before(o rank) bool {
	switch {
	case r.class != o.class:
		return r.class < o.class
	case r.copies != o.copies:
		return r.copies < o.copies
	case r.begun != o.begun:
		return r.begun
	case r.level != o.level:
		return r.level < o.level
	case r.rest != o.rest:
		return r.rest > o.rest
	}
	return r.since.Before(o.since)
}

// retry is when purses that are empty are looked into again.
const retry = 250 * time.Millisecond

// Next is Choker's.
func (p *Credit) Next(now time.Time, waiting []Candidate) (int, time.Duration) {
	p.gifts.refill(now, p.cfg.GiftRate)
	p.taste.refill(now, p.cfg.GiftRate)
	p.endGifts(now)
	best, crowd := -1, int64(len(waiting))
	var first rank
	mercy := p.turns >= p.cfg.Mercy
	among := 0
	for i, c := range waiting {
		r := p.rank(now, c, crowd)
		if r.class < asContributor && p.early >= p.cfg.GiftTurn*p.cfg.GiftBurst && p.first(c) {
			r.class += afterContributors
		}
		if r.class == asContributor {
			p.asked = now
			among++
			r = p.order(c, r, mercy)
		}
		if r.class != refused && (best < 0 || r.before(first)) {
			best, first = i, r
		}
	}
	p.among = among
	if best < 0 || first.class == asNext || first.class == asLeftover && now.Sub(p.asked) < p.cfg.Hold {
		return -1, retry
	}
	if first.class == asLateGift || first.class == asLateTaste {
		first.class -= afterContributors
	}
	if first.class == asGift {
		p.giftTurn(now, waiting[best], first.begun)
	}
	if k := p.copiesOf(waiting[best]); k != nil {
		weight := strangersCopy
		if first.class == asContributor {
			weight = contributorsCopy
		}
		k.add(waiting[best].Peer, waiting[best].Block, weight)
	}
	p.makeWay(waiting[best], first.class, among > 0)
	p.charge(waiting[best], first.class)
	return best, 0
}

// order is a contributor's rank among contributors. mercy says that this turn is one
// that does not go by what they gave.
func (p *Credit) order(c Candidate, r rank, mercy bool) rank {
	s := p.book.Swarm(c.Root)
	switch k := p.copiesOf(c); {
	case mercy && (s == nil || !s.Complete()):
		r.level = 0 // whoever has waited longest
	case k != nil && !mercy && p.among >= copiesCrowd:
		r.copies, r.begun = k.others(c.Peer, c.Block), k.has(c.Peer, c.Block)
	}
	return r
}

// charge enters a turn that is given for nothing.
func (p *Credit) charge(c Candidate, k class) {
	n := int64(c.Bytes)
	switch k {
	case asGift:
		p.gifts.take(c.Peer, n)
	case asTaste:
		p.taste.take(c.Peer, n)
	case asContributor:
		if p.turns++; p.turns > p.cfg.Mercy {
			p.turns = 0
		}
		if p.origin(c) {
			n *= 4
		}
		p.gifts.free(n / p.cfg.GiftShare)
		p.taste.free(n / p.cfg.GiftShare)
		return
	}
	h := p.household(c)
	h.taken += n
	if k != asLeftover {
		h.gifts.take("", n)
	}
}

func (p *Credit) rank(now time.Time, c Candidate, crowd int64) rank {
	sent := p.book.Account(c.Peer).Sent
	credit := p.book.Credit(c.Root, c.Peer)
	if credit > 0 {
		p.gifts.settle(c.Peer)
		p.taste.settle(c.Peer)
		if p.contributes(sent, credit) {
			return rank{class: asContributor, level: sent - credit, since: c.Since}
		}
	}
	s := p.book.Swarm(c.Root)
	seed := s != nil && s.Complete()
	most := min(p.cfg.Gifts, p.cfg.Gift*(1+crowd/8))
	if seed && s.Origin() {
		most = p.cfg.SeedGifts
	}
	n := int64(c.Bytes)
	var taken, stalled int64
	home := true // whether the household may have another gift
	if h := p.find(c); h != nil {
		h.gifts.refill(now, p.cfg.GiftRate)
		taken, stalled, home = h.taken, h.stalled, h.gifts.spent+n <= p.cfg.HouseholdGifts
	}
	switch {
	case home && sent < p.cfg.Gift && p.gifts.spent+n <= most:
		if p.mustWait(sent, n) {
			return rank{class: asNext}
		}
		r := rank{class: asGift, begun: sent >= small, level: stalled, since: c.Since}
		if r.begun {
			r.level = -sent // the one nearest to its end
		}
		return r
	case home && sent < p.cfg.Taste && p.taste.spent+n <= p.cfg.Tastes:
		return rank{class: asTaste, since: c.Since}
	case seed:
		return rank{class: asLeftover, level: taken / p.cfg.Gift, rest: taken % p.cfg.Gift, since: c.Since}
	}
	return rank{class: refused}
}

func (p *Credit) contributes(sent, credit int64) bool {
	return credit > 0 && sent <= p.cfg.Line*credit
}

// Contributes implements [Judge].
func (p *Credit) Contributes(c Candidate) bool {
	return p.contributes(p.book.Account(c.Peer).Sent, p.book.Credit(c.Root, c.Peer))
}

func (p *Credit) find(c Candidate) *household {
	if c.Net.IsValid() {
		return p.networks[c.Net]
	}
	return p.loners[c.Peer]
}

// household returns that of a candidate, making it.
func (p *Credit) household(c Candidate) *household {
	h := p.find(c)
	if h == nil {
		h = &household{}
		if c.Net.IsValid() {
			makeRoom(p.networks)
			p.networks[c.Net] = h
		} else {
			makeRoom(p.loners)
			p.loners[c.Peer] = h
		}
	}
	return h
}

// makeRoom drops the household that took least if there are too many.
func makeRoom[K comparable](m map[K]*household) {
	if len(m) < maxHouseholds {
		return
	}
	var worst K
	least := int64(-1)
	for k, h := range m {
		if least < 0 || h.taken < least {
			worst, least = k, h.taken
		}
	}
	delete(m, worst)
}
