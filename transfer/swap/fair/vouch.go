package fair

import (
	"errors"
	"fmt"
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

// Reasons for which a vouch is refused.
var (
	ErrVouch     = errors.New("fair: vouch refused")
	errStranger  = fmt.Errorf("%w: of another peer than the one that brings it", ErrVouch)
	errSelf      = fmt.Errorf("%w: of a peer for itself", ErrVouch)
	errRoot      = fmt.Errorf("%w: of a swarm that is not known here", ErrVouch)
	errBytes     = fmt.Errorf("%w: of more than there is", ErrVouch)
	errStale     = fmt.Errorf("%w: too old", ErrVouch)
	errFuture    = fmt.Errorf("%w: from the future", ErrVouch)
	errTooMany   = fmt.Errorf("%w: too many", ErrVouch)
	errBackwards = fmt.Errorf("%w: less than was vouched for before", ErrVouch)
)

// Vouch takes a vouch that the peer from has brought. The error wraps ErrVouch
// and is from's doing, not that of the peer that signed. A vouch that is known is
// taken again without effect; one that is older than a known one is ignored.
func (b *Book) Vouch(now time.Time, from peer.ID, v Vouch) error {
	s := b.swarms[v.Root]
	switch {
	case v.For != from:
		return errStranger
	case v.By == v.For:
		return errSelf
	case s == nil:
		return errRoot
	case v.Bytes < 0 || v.Bytes > 2*s.size: // twice: what is wasted is received too
		return errBytes
	case now.Sub(v.At) > MaxVouchAge:
		return errStale
	case v.At.Sub(now) > MaxVouchSkew:
		return errFuture
	}
	return s.vouch(v)
}

// Swarm is what this node knows of the members of one swarm, which give each
// other what it cannot see itself.
//
// It takes a member's word for no more than the member's power. With a node that
// still fetches, that is what the member gave to it. A seed gets nothing back, so
// it takes the word of those whom it gave to, for as many bytes, but together
// with these for no more than the whole content: who has received that much has
// nothing left to receive. If a member vouches for more than its power, all that
// it said counts for proportionately less. What a clique can gain by vouching for
// itself follows: see docs/decisions.
type Swarm struct {
	size     int64
	complete bool
	fetched  bool // something came from members
	members  map[peer.ID]*member
}

// Complete reports whether this node has every byte.
func (s *Swarm) Complete() bool { return s.complete }

// Origin reports whether it had them before it knew any member: then it may be
// the only one from whom a newcomer can have anything.
func (s *Swarm) Origin() bool { return s.complete && !s.fetched }

type member struct {
	given   int64 // what this node sent it
	got     int64 // what came from it
	claimed int64 // what it says it received from others
	said    map[peer.ID]*claim
	about   []*claim // what others say of it
}

type claim struct {
	by    *member
	bytes int64
	at    time.Time
}

// of returns the member, making it if there is room.
func (s *Swarm) of(p peer.ID) *member {
	m := s.members[p]
	if m == nil && len(s.members) < MaxVouchers {
		m = &member{}
		s.members[p] = m
	}
	return m
}

func (s *Swarm) sent(p peer.ID, bytes int64) {
	if m := s.of(p); m != nil {
		m.given += bytes
	}
}

func (s *Swarm) received(p peer.ID, bytes int64) {
	s.fetched = true
	if m := s.of(p); m != nil {
		m.got += bytes
	}
}

func (s *Swarm) vouch(v Vouch) error {
	by := s.members[v.By]
	if by == nil {
		return nil // a stranger's word is worth nothing yet
	}
	c := by.said[v.For]
	if c == nil {
		about := s.of(v.For)
		if about == nil || len(by.said) >= MaxVouches || len(about.about) >= MaxVouches {
			return errTooMany
		}
		if by.said == nil {
			by.said = make(map[peer.ID]*claim)
		}
		c = &claim{by: by}
		by.said[v.For] = c
		about.about = append(about.about, c)
	}
	switch {
	case v.At.Before(c.at):
		return nil
	case v.Bytes < c.bytes:
		return errBackwards
	}
	by.claimed += v.Bytes - c.bytes
	c.bytes, c.at = v.Bytes, v.At
	return nil
}

// power is how much of what m says is believed, in bytes.
func (s *Swarm) power(m *member) int64 {
	p := max(m.got, 0)
	if s.complete {
		p += max(min(m.given, s.size-m.given), 0)
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
