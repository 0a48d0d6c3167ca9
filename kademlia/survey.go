package kademlia

import (
	"slices"

	"ringswap/overlay"
)

// survey brings contacts into a bucket outside the nearest subtree: some of
// those that a neighbour has at the same depth, chosen at random. A lookup
// (paper, section 2.3) would find as many, but all in one corner of the bucket's
// range, the nearest to one key, from where it is farther to any other key.
//
// It is content with fewer than the bucket takes. The others come by themselves
// for as long as the bucket has room: nodes that are met on the way, and those
// that have taken us into their own tables.
type survey struct {
	m       *Machine
	depth   int
	heard   []*overlay.Contact // in the bucket's range, not asked yet
	sources []*overlay.Contact // who may still be asked for more
	flying  int
	done    func()
}

// surveySources is how many neighbours a survey asks at most.
const surveySources = 3

// enough is the number of contacts that answer with which a bucket outside
// the nearest subtree can do.
func (u *upkeep) enough() int { return (u.m.cfg.K + 1) / 2 }

// survey begins one, when it is its turn in the background.
func (u *upkeep) survey(depth int) {
	m := u.m
	m.background.Do(func(done func()) {
		s := &survey{m: m, depth: depth, done: done}
		m.table.buckets[min(depth, len(m.table.buckets)-1)].looked = stampOf(m.now)
		s.sources = m.table.closest(m.self.ID, m.cfg.K)
		m.cfg.Rand.Shuffle(len(s.sources), func(i, j int) { s.sources[i], s.sources[j] = s.sources[j], s.sources[i] })
		s.sources = s.sources[:min(len(s.sources), surveySources)]
		s.advance()
	})
}

// advance asks as many as the bucket lacks, or for whom to ask, or ends.
func (s *survey) advance() {
	m := s.m
	if m.closed {
		return
	}
	for s.lacks() > s.flying && len(s.heard) > 0 {
		last := len(s.heard) - 1
		c := s.heard[last]
		s.heard = s.heard[:last]
		if m.checks.welcome(c) {
			s.ask(c, m.checks.hello(), func(msg *Message) { m.checks.hearsay(c, msg) })
		}
	}
	if s.flying > 0 {
		return
	}
	if s.lacks() <= 0 || len(s.sources) == 0 {
		s.done()
		return
	}
	c := s.sources[0]
	s.sources = s.sources[1:]
	key := m.upkeep.keyAt(s.depth)
	s.ask(c, &Message{Type: FindNode, Key: key.Preimage()}, func(msg *Message) { s.listen(c, msg) })
}

// lacks is how many contacts the bucket is short of.
func (s *survey) lacks() int {
	t := &s.m.table
	return s.m.upkeep.enough() - t.buckets[min(s.depth, len(t.buckets)-1)].answering()
}

func (s *survey) ask(c *overlay.Contact, msg *Message, then func(*Message)) {
	s.flying++
	s.m.ask(c, msg, func(msg *Message, err error) {
		s.flying--
		if err == nil {
			then(msg)
		} else {
			s.m.checks.bar(c.Peer, s.m.now.Add(barTime))
		}
		s.advance()
	})
}

// listen takes in the contacts of an answer, in random order.
func (s *survey) listen(from *overlay.Contact, msg *Message) {
	m := s.m
	for _, c := range msg.Closer[:min(len(msg.Closer), 2*m.cfg.K)] {
		if m.self.ID.CommonPrefixLen(c.ID) != s.depth || slices.ContainsFunc(s.heard, func(o *overlay.Contact) bool { return o.ID == c.ID }) {
			continue
		}
		if c = m.checks.told(from, c); c != nil {
			s.heard = append(s.heard, c)
		}
	}
	m.cfg.Rand.Shuffle(len(s.heard), func(i, j int) { s.heard[i], s.heard[j] = s.heard[j], s.heard[i] })
}
