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
	case s.failed-s.met >= m.cfg.Patience:
		return 0, ErrDistrusted
	}
	s.heard = now
	m.expire(now)
	for _, info := range named {
		if m.consider(p, info) {
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
func (m *Members) consider(from *present, info peer.AddrInfo) bool {
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
	m.named = append(m.named, c)
	return true
}

func (m *Members) namedBy(id peer.ID) (n int) {
	for _, c := range m.named {
		if c.by == id {
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
// whoever has named the most, if that is somebody else.
func (m *Members) makeRoom(by peer.ID) bool {
	if len(m.named) < m.cfg.MaxNamed {
		return true
	}
	count := make(map[peer.ID]int)
	for _, c := range m.named {
		count[c.by]++
	}
	most := 0 // index of a candidate of the greediest namer, its oldest
	for i, c := range m.named {
		if count[c.by] > count[m.named[most].by] {
			most = i
		}
	}
	if count[m.named[most].by] <= count[by]+1 {
		return false
	}
	m.named = slices.Delete(m.named, most, most+1)
	return true
}

// expire forgets candidates that were tried long ago.
func (m *Members) expire(now time.Time) {
	m.named = slices.DeleteFunc(m.named, func(c *candidate) bool {
		return !c.tried.IsZero() && now.Sub(c.tried) >= m.cfg.Retry
	})
}

// Try returns at most n of the nodes that were named, to be connected now. Every
// namer gets its turn. Whoever is connected is then said to [Members.Join], and
// whoever is out of reach to [Members.Failed].
func (m *Members) Try(now time.Time, n int) (out []peer.AddrInfo) {
	m.expire(now)
	for len(out) < n {
		var by []peer.ID
		for _, c := range m.named {
			if c.tried.IsZero() && !slices.Contains(by, c.by) {
				by = append(by, c.by)
			}
		}
		if len(by) == 0 {
			break
		}
		m.cfg.Rand.Shuffle(len(by), func(i, j int) { by[i], by[j] = by[j], by[i] })
		for _, id := range by[:min(len(by), n-len(out))] {
			c := m.untried(id)
			c.tried = now
			out = append(out, peer.AddrInfo{ID: c.info.ID, Addrs: slices.Clone(c.info.Addrs)})
		}
	}
	return out
}

// untried is one of the candidates of a namer that has some.
func (m *Members) untried(by peer.ID) *candidate {
	var all []*candidate
	for _, c := range m.named {
		if c.by == by && c.tried.IsZero() {
			all = append(all, c)
		}
	}
	return all[m.cfg.Rand.IntN(len(all))]
}

// Failed says that a node which Try returned is not where it was said to be, or
// is not of this swarm.
func (m *Members) Failed(id peer.ID) {
	i := m.candidate(id)
	if i < 0 || m.named[i].tried.IsZero() {
		return
	}
	if s := m.namer(m.named[i].by); s != nil {
		s.failed++
	}
	m.named[i].by = "" // blamed once; it stays until Retry so that it is not tried again
}
