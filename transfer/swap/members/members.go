package members

import (
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay/scope"
)

// Reasons for which a message is refused. Each is its sender's doing.
var (
	ErrNotMet     = errors.New("members: named by a node that is not here")
	ErrTooOften   = errors.New("members: named sooner than agreed")
	ErrTooMany    = errors.New("members: too many named at a time")
	ErrDistrusted = errors.New("members: too many whom it named are not there")
)

// Member is a node of the swarm that is connected to this one.
type Member struct {
	ID peer.ID
	// Claimed are the addresses that it says it listens at, and Remote is where
	// it is connected from or to. Only what both agree on is passed on.
	Claimed []ma.Multiaddr
	Remote  ma.Multiaddr
	// Complete says that it has everything: two such nodes need not meet.
	Complete bool
}

// Members knows who is in a swarm: those who are here, met, and those who were
// only named. It is used by one goroutine at a time. [New] makes one.
type Members struct {
	cfg    Config
	here   []*present // in the order of joining
	named  []*candidate
	namers []*namer // those who spoke last come last
}

// present is a member that is here.
type present struct {
	Member
	addrs []ma.Multiaddr        // where it can be reached, as far as that is known
	told  map[peer.ID]time.Time // when it was told of whom
	next  time.Time             // when it may be told again
}

// candidate is a node that was named and is not here.
type candidate struct {
	info   peer.AddrInfo
	by     peer.ID
	nets   []net
	first  time.Time // when it was given out for the first time; zero: not yet
	next   time.Time // the earliest for the next time
	tries  int
	trying bool // it is given out, and what came of that was not said yet
	blamed bool // it was out of reach, and its namer is believed the less for that
}

// tried reports whether it was ever given out.
func (c *candidate) tried() bool { return c.tries > 0 }

// namer is what came of the words of a node.
type namer struct {
	id          peer.ID
	heard       time.Time
	met, failed int
}

// New makes the members of a swarm of which nothing is known.
func New(cfg Config) (*Members, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Members{cfg: cfg.withDefaults()}, nil
}

// Join says that a node of the swarm is connected now, or is so still and has
// changed. If it had been named, whoever did so is believed the more.
func (m *Members) Join(now time.Time, n Member) {
	if n.ID == m.cfg.Self {
		return
	}
	if i := m.candidate(n.ID); i >= 0 {
		m.named[i].met(m.namer(m.named[i].by))
		m.named = slices.Delete(m.named, i, i+1)
	}
	p := m.present(n.ID)
	if p == nil {
		p = &present{next: now, told: make(map[peer.ID]time.Time)}
		m.here = append(m.here, p)
	}
	p.Member, p.addrs = n, proven(n.Claimed, n.Remote)
	p.Claimed = nil
}

// Leave says that a node is not connected any more. Nobody is told of it from
// now on, and if it comes back everyone may be told again.
func (m *Members) Leave(id peer.ID) {
	m.here = slices.DeleteFunc(m.here, func(p *present) bool { return p.ID == id })
	for _, p := range m.here {
		delete(p.told, id)
	}
}

// Count returns how many members are here, and how many are only named.
func (m *Members) Count() (here, named int) { return len(m.here), len(m.named) }

// Tell returns whom to name to a member now: those of whom it was not told, or long
// ago, and whom it can reach, some at a time, in random order; none if it is too
// early.
func (m *Members) Tell(now time.Time, to peer.ID) []peer.AddrInfo {
	p := m.present(to)
	if p == nil || now.Before(p.next) {
		return nil
	}
	news := m.news(now, p)
	if len(news) > 0 {
		p.next = now.Add(m.cfg.Every)
	}
	return news
}

// news is whom a member is told of next.
func (m *Members) news(now time.Time, to *present) (news []peer.AddrInfo) {
	asker := scope.OfAsker(to.Remote)
	for _, i := range m.cfg.Rand.Perm(len(m.here)) {
		p := m.here[i]
		if p == to || p.Complete && to.Complete {
			continue
		}
		if at, told := to.told[p.ID]; told && now.Sub(at) < m.cfg.Retell {
			continue
		}
		addrs := scope.Within(p.addrs, asker)
		if len(addrs) == 0 {
			continue
		}
		to.told[p.ID] = now
		news = append(news, peer.AddrInfo{ID: p.ID, Addrs: slices.Clone(addrs)})
		if len(news) == m.cfg.MaxTold {
			break
		}
	}
	return news
}

// Here lists the members that are here, in the order of joining.
func (m *Members) Here() []peer.ID {
	out := make([]peer.ID, len(m.here))
	for i, p := range m.here {
		out[i] = p.ID
	}
	return out
}

func (m *Members) present(id peer.ID) *present {
	if i := slices.IndexFunc(m.here, func(p *present) bool { return p.ID == id }); i >= 0 {
		return m.here[i]
	}
	return nil
}

func (m *Members) candidate(id peer.ID) int {
	return slices.IndexFunc(m.named, func(c *candidate) bool { return c.info.ID == id })
}

func (m *Members) namer(id peer.ID) *namer {
	if i := slices.IndexFunc(m.namers, func(s *namer) bool { return s.id == id }); i >= 0 {
		return m.namers[i]
	}
	return nil
}
