package fair

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Vouch is one peer's word about another: of the blocks of Root, By has received
// Bytes from For, from the beginning until At. It is cumulative, so a later one
// replaces an earlier one and repeating it changes nothing. Whoever carries it
// must have checked its signature: this package sees checked ones only.
type Vouch struct {
	Root  cid.Cid
	By    peer.ID
	For   peer.ID
	Bytes int64
	At    time.Time
}

// Times between which a vouch is taken, around now.
const (
	MaxVouchAge  = 10 * time.Minute
	MaxVouchSkew = time.Minute
)

// Reasons for which a vouch is refused; all of them wrap ErrVouch.
var (
	ErrVouch         = errors.New("fair: vouch refused")
	ErrVouchStranger = fmt.Errorf("%w: for another peer than the one that brings it", ErrVouch)
	ErrVouchSelf     = fmt.Errorf("%w: of a peer for itself", ErrVouch)
	ErrVouchRoot     = fmt.Errorf("%w: of a swarm that is not known here", ErrVouch)
	ErrVouchBytes    = fmt.Errorf("%w: of more than there is", ErrVouch)
	ErrVouchStale    = fmt.Errorf("%w: too old", ErrVouch)
	ErrVouchFuture   = fmt.Errorf("%w: from the future", ErrVouch)
	ErrVouchTooMany  = fmt.Errorf("%w: too many", ErrVouch)
)

// Vouch takes a vouch that the peer from has brought. The error wraps ErrVouch
// and is from's doing, not that of the peer that signed. A vouch that is known is
// taken again without effect; one that is older than a known one, or says less, is
// ignored: it may be out of order, or its signer may have begun to count anew.
func (b *Book) Vouch(now time.Time, from peer.ID, v Vouch) error {
	if _, err := b.Weigh(now, from, v); err != nil {
		return err
	}
	return b.swarms[v.Root].vouch(v)
}

// Weigh says whether [Book.Vouch] would take v, and if so whether that would change
// anything. It needs no signature, which is dearer to check than all the rest.
func (b *Book) Weigh(now time.Time, from peer.ID, v Vouch) (news bool, err error) {
	s := b.swarms[v.Root]
	switch {
	case v.For != from:
		return false, ErrVouchStranger
	case v.By == v.For:
		return false, ErrVouchSelf
	case s == nil:
		return false, ErrVouchRoot
	}
	if err := s.plausible(now, v.Bytes, v.At); err != nil {
		return false, err
	}
	by := s.members[v.By]
	if by == nil {
		return false, nil // a stranger's word is worth nothing yet
	}
	c := by.said[v.For]
	return c == nil || v.Bytes > c.bytes && v.At.After(c.at), nil
}

// Receipt checks what by says at the time at: that it received so many bytes of
// root from this node.
func (b *Book) Receipt(now time.Time, root cid.Cid, bytes int64, at time.Time) error {
	s := b.swarms[root]
	if s == nil {
		return ErrVouchRoot
	}
	return s.plausible(now, bytes, at)
}

// plausible checks what every vouch has to be like.
func (s *Swarm) plausible(now time.Time, bytes int64, at time.Time) error {
	switch {
	case bytes < 0 || s.size > 0 && bytes/2 > s.size: // twice: what is wasted is received too
		return ErrVouchBytes
	case now.Sub(at) > MaxVouchAge:
		return ErrVouchStale
	case at.Sub(now) > MaxVouchSkew:
		return ErrVouchFuture
	}
	return nil
}

// Swarm is what this node knows of the members of one swarm, which give each
// other what it cannot see itself.
//
// It takes a member's word for no more than the member's power. With a node that
// fetches, or did, that is what the member gave to it. One that had everything
// before got nothing from anybody, so
// it takes the word of those whom it gave to, for as many bytes, but together
// with these for no more than the whole content: who has received that much has
// nothing left to receive. (Of a root whose size is not known the latter does not
// hold.) If a member vouches for more than its power, all that
// it said counts for proportionately less. What a clique can gain by vouching for
// itself follows: see docs/decisions.
type Swarm struct {
	size     int64
	complete bool
	fetched  bool // something came from members
	traffic  int64
	clock    int64 // counts what passed between this node and members
	members  map[peer.ID]*member
	copies   copies
}

// Complete reports whether this node wants nothing more of the root.
func (s *Swarm) Complete() bool { return s.complete }

// Traffic is how many bytes this node has exchanged with the members.
func (s *Swarm) Traffic() int64 { return s.traffic }

// Received is how many bytes of the root came from p: what this node can vouch for.
func (s *Swarm) Received(p peer.ID) int64 {
	if m := s.members[p]; m != nil {
		return max(m.got, 0)
	}
	return 0
}

// Origin reports whether it had all before it knew any member: then it may be
// the only one from whom a newcomer can have anything.
func (s *Swarm) Origin() bool { return s.complete && !s.fetched }

type member struct {
	given   int64 // what this node sent it
	got     int64 // what came from it
	claimed int64 // what it says it received from others
	said    map[peer.ID]*claim
	about   []*claim // what others say of it
	used    int64    // the clock when it last gave or was given something
}

type claim struct {
	by    *member
	bytes int64
	at    time.Time
}

// of returns the member, making it, if need be in the place of the one that has
// been quiet for longest.
func (s *Swarm) of(p peer.ID) *member {
	m := s.members[p]
	if m == nil {
		if len(s.members) >= MaxVouchers {
			s.forgetQuiet()
		}
		m = &member{used: s.clock}
		s.members[p] = m
	}
	return m
}

func (s *Swarm) forgetQuiet() {
	var quiet peer.ID
	for p, m := range s.members {
		if o := s.members[quiet]; o == nil || m.used < o.used || m.used == o.used && p < quiet {
			quiet = p
		}
	}
	m := s.members[quiet]
	delete(s.members, quiet)
	for _, c := range m.about {
		delete(c.by.said, quiet)
		c.by.claimed -= c.bytes
	}
	for p := range m.said {
		if o := s.members[p]; o != nil {
			o.about = slices.DeleteFunc(o.about, func(c *claim) bool { return c.by == m })
		}
	}
}

func (s *Swarm) sent(p peer.ID, bytes int64) {
	s.traffic += bytes
	m := s.of(p)
	s.clock++
	m.given, m.used = m.given+bytes, s.clock
}

func (s *Swarm) received(p peer.ID, bytes int64) {
	s.fetched = true
	s.traffic += max(bytes, 0)
	m := s.of(p)
	s.clock++
	m.got, m.used = m.got+bytes, s.clock
}

func (s *Swarm) vouch(v Vouch) error {
	by := s.members[v.By]
	if by == nil {
		return nil // a stranger's word is worth nothing yet
	}
	c := by.said[v.For]
	if c == nil {
		if len(by.said) >= MaxVouches {
			return ErrVouchTooMany
		}
		about := s.of(v.For)
		if s.members[v.By] != by { // who had to make room for the other
			return nil
		}
		if len(about.about) >= MaxVouches {
			return ErrVouchTooMany
		}
		if by.said == nil {
			by.said = make(map[peer.ID]*claim)
		}
		c = &claim{by: by}
		by.said[v.For] = c
		about.about = append(about.about, c)
	}
	if v.At.Before(c.at) || v.Bytes < c.bytes {
		return nil
	}
	by.claimed += v.Bytes - c.bytes
	c.bytes, c.at = v.Bytes, v.At
	return nil
}

// power is how much of what m says is believed, in bytes.
func (s *Swarm) power(m *member) int64 {
	p := max(m.got, 0)
	switch {
	case !s.Origin():
	case s.size > 0:
		p += max(min(m.given, s.size-m.given), 0)
	default:
		p += max(m.given, 0)
	}
	return p
}

// Vouched is the credit that p has by what others say, in bytes.
func (s *Swarm) Vouched(p peer.ID) int64 {
	m := s.members[p]
	if m == nil {
		return 0
	}
	sum := 0.0
	for _, c := range m.about {
		if c.bytes > 0 {
			sum += float64(c.bytes) * min(1, float64(s.power(c.by))/float64(c.by.claimed))
		}
	}
	return int64(sum)
}
