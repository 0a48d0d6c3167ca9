package members

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay/scope"
)

// Heard takes what a member says of others, and returns how many of them are new
// and worth a try. An error says that the message was refused as a whole.
func (m *Members) Heard(now time.Time, from peer.ID, named []peer.AddrInfo) (taken int, err error) {
	p := m.present(from)
	if p == nil {
		return 0, ErrNotMet
	}
	s := m.listen(from)
	switch early := now.Sub(s.heard) < m.cfg.Sooner && !s.heard.IsZero(); {
	case early:
		return 0, ErrTooOften
	case len(named) > m.cfg.MaxTold:
		return 0, ErrTooMany
	case !m.trusts(s):
		return 0, ErrDistrusted
	}
	s.heard = now
	m.expire(now)
	for _, info := range named {
		if m.consider(now, p, info) {
			taken++
		}
	}
	return taken, nil
}

// listen is the record of a node that speaks now.
func (m *Members) listen(id peer.ID) *namer {
	s := m.namer(id)
	if s == nil {
		if len(m.namers) >= m.cfg.MaxNamers {
			m.namers = slices.Delete(m.namers, 0, 1)
		}
		s = &namer{id: id}
	} else {
		m.namers = slices.DeleteFunc(m.namers, func(o *namer) bool { return o == s })
	}
	m.namers = append(m.namers, s)
	return s
}

// consider takes a node that from named as a candidate, unless it is known, out
// of its namer's reach, or one too many.
func (m *Members) consider(now time.Time, from *present, info peer.AddrInfo) bool {
	if info.ID == m.cfg.Self || info.ID == from.ID || info.ID.Validate() != nil || m.present(info.ID) != nil || m.candidate(info.ID) >= 0 {
		return false
	}
	// Nobody can name a node in a network where he is not himself.
	addrs := scope.Within(info.Addrs, scope.OfAsker(from.Remote))
	c := &candidate{info: peer.AddrInfo{ID: info.ID}, by: from.ID}
	for _, a := range addrs {
		n, public := netOf(a)
		if len(c.info.Addrs) == MaxAddrs || public && !slices.Contains(c.nets, n) && m.inNet(n) >= m.cfg.MaxInNet {
			continue
		}
		c.info.Addrs = append(c.info.Addrs, a)
		if public && !slices.Contains(c.nets, n) {
			c.nets = append(c.nets, n)
		}
	}
	if len(c.info.Addrs) == 0 || m.namedBy(from.ID) >= m.cfg.MaxByNamer || !m.makeRoom(from.ID) {
		return false
	}
	if c.next = now; info.ID < m.cfg.Self {
		c.next = now.Add(m.cfg.Yield + m.upTo(m.cfg.Yield))
	}
	m.named = append(m.named, c)
	return true
}

// upTo draws a time from zero to d.
func (m *Members) upTo(d time.Duration) time.Duration {
	return time.Duration(m.cfg.Rand.Int64N(int64(d) + 1))
}

// namedBy counts the candidates of a namer that may still turn out to be there.
func (m *Members) namedBy(id peer.ID) (n int) {
	for _, c := range m.named {
		if c.by == id && !c.blamed {
			n++
		}
	}
	return n
}

func (m *Members) inNet(n net) (count int) {
	for _, c := range m.named {
		if slices.Contains(c.nets, n) {
			count++
		}
	}
	return count
}

// makeRoom sees to it that there is room for one more of a namer: at the cost of
// whoever has named the most, if that is somebody else. Those who were out of reach
// count as named by nobody.
func (m *Members) makeRoom(by peer.ID) bool {
	if len(m.named) < m.cfg.MaxNamed {
		return true
	}
	owner := func(c *candidate) peer.ID {
		if c.blamed {
			return ""
		}
		return c.by
	}
	count := make(map[peer.ID]int)
	for _, c := range m.named {
		count[owner(c)]++
	}
	most := 0 // index of a candidate of the greediest namer, its oldest
	for i, c := range m.named {
		if count[owner(c)] > count[owner(m.named[most])] {
			most = i
		}
	}
	if count[owner(m.named[most])] <= count[by]+1 {
		return false
	}
	m.named = slices.Delete(m.named, most, most+1)
	return true
}

// expire forgets candidates that were tried long ago.
func (m *Members) expire(now time.Time) {
	m.named = slices.DeleteFunc(m.named, func(c *candidate) bool {
		return c.tried() && now.Sub(c.first) >= m.cfg.Retry
	})
}

// Try returns at most n of the nodes that were named, to be connected now. Every
// namer gets its turn. Whoever is connected is then said to [Members.Join], and
// whoever is out of reach to [Members.Failed]; if neither is said within a minute, the
// owner is taken to have lost interest, and the node may be given out again.
func (m *Members) Try(now time.Time, n int) (out []peer.AddrInfo) {
	m.expire(now)
	for len(out) < n {
		due := make(map[peer.ID][]*candidate)
		var by []peer.ID
		for _, c := range m.named {
			if m.due(now, c) {
				if due[c.by] == nil {
					by = append(by, c.by)
				}
				due[c.by] = append(due[c.by], c)
			}
		}
		if len(by) == 0 {
			break
		}
		m.cfg.Rand.Shuffle(len(by), func(i, j int) { by[i], by[j] = by[j], by[i] })
		for _, id := range by[:min(len(by), n-len(out))] {
			c := due[id][m.cfg.Rand.IntN(len(due[id]))]
			c.give(now)
			out = append(out, peer.AddrInfo{ID: c.info.ID, Addrs: slices.Clone(c.info.Addrs)})
		}
	}
	return out
}

// due reports whether to try a candidate now. The word of a namer that is not
// believed any more is not worth a second attempt.
func (m *Members) due(now time.Time, c *candidate) bool {
	if c.tries >= m.cfg.Attempts || now.Before(c.next) {
		return false
	}
	s := m.namer(c.by)
	return !c.tried() || s != nil && m.trusts(s)
}

// trusts reports whether a namer is believed.
func (m *Members) trusts(s *namer) bool { return s.failed-s.met < m.cfg.Patience }

// silence is how long nobody says what came of an attempt before there may be another.
const silence = time.Minute

// give notes that a candidate is given out to be tried.
func (c *candidate) give(now time.Time) {
	if !c.tried() {
		c.first = now
	}
	c.tries++
	c.trying, c.next = true, now.Add(silence)
}

// met says to a candidate's namer, if it is still known, that it was right.
func (c *candidate) met(by *namer) {
	if by == nil || !c.tried() {
		return
	}
	by.met++
	if c.blamed {
		by.failed = max(by.failed-1, 0) // it may have been forgotten since
	}
}

// Failed says that a node which Try returned is not where it was said to be, or
// is not of this swarm. Its namer is believed the less for that at once, and not
// any more if it is met later; it stays until Retry so that it is not named anew.
func (m *Members) Failed(now time.Time, id peer.ID) {
	i := m.candidate(id)
	if i < 0 || !m.named[i].trying {
		return
	}
	c := m.named[i]
	wait := m.cfg.Pause
	for range c.tries - 1 {
		wait *= 3
	}
	c.trying, c.next = false, now.Add(wait/2+m.upTo(wait/2))
	if id < m.cfg.Self {
		c.next = c.next.Add(wait / 2)
	}
	if s := m.namer(c.by); s != nil && !c.blamed {
		s.failed++
	}
	c.blamed = true
}
