package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"ringswap/overlay"
)

// membership is who belonged to an overlay when: the truth about a network that
// changes while lookups run.
//
// A node is a member from the moment its machine has joined, which is later
// than that of its start: until then nobody can know of it, and it can answer
// nothing. It is one until it says good-bye, or stops; that it may linger to
// answer those whom it told something does not count. Nobody comes back.
//
// A lookup takes time. Its answer is right if that node was the responsible
// member at any moment between its start and its end (linearizability, for
// those who like the word).
type membership struct {
	w      *World
	spells []spell    // by node number
	now    *Directory // members
	ever   *Directory // whoever was one
}

// spell is the time for which a node is a member, in nanoseconds since epoch:
// both zero if it never was.
type spell struct{ from, to int64 }

// never is the end of a spell that has not ended.
const never = math.MaxInt64

// newMembership takes everyone who runs for a member from now on, and follows the
// world to see who becomes one. The caller tells it of everyone who leaves or stops.
func newMembership(w *World) *membership {
	m := &membership{w: w, spells: make([]spell, len(w.nodes)), now: w.live.clone(), ever: w.live.clone()}
	for i, n := range w.nodes {
		m.spells[i] = spell{w.now, never}
		n.member = true
	}
	w.OnMember = m.join
	return m
}

// join begins a node's membership.
func (m *membership) join(n *Node, at time.Duration) {
	for int(n.Number) >= len(m.spells) {
		m.spells = append(m.spells, spell{})
	}
	if s := &m.spells[n.Number]; s.to == 0 {
		*s = spell{int64(at), never}
		m.now.insert(n.Contact)
		m.ever.insert(n.Contact)
	}
}

// leave ends a node's membership, or keeps it from becoming a member.
func (m *membership) leave(n *Node) {
	n.member = true // or it may join on its way out
	if int(n.Number) < len(m.spells) && m.spells[n.Number].to == never {
		m.spells[n.Number].to = m.w.now
		m.now.remove(n.Contact.ID)
	}
}

// random is a random member that is honest, or nil.
func (m *membership) random(rng *rand.Rand) *Node {
	for range 1024 {
		if m.now.Len() == 0 {
			return nil
		}
		if n := m.w.nodeOf(m.now.list[rng.IntN(m.now.Len())]); n.Evil == nil {
			return n
		}
	}
	return nil
}

// responsible reports whether a node was responsible for the key at any moment
// from start to end: those that come before it in the order of responsibility
// were not all the while members.
func (m *membership) responsible(id, key overlay.ID, start, end int64) bool {
	free := []spell{{start, end}} // when nobody looked at so far was a member
	seen := 0
	for n := 16; len(free) > 0 && seen < m.ever.Len(); n *= 8 {
		order := m.w.settings.Overlay.Responsible(m.ever, key, n)
		for _, c := range order[seen:] {
			s := m.spells[m.w.nodeOf(c).Number]
			if c.ID == id {
				return overlaps(free, s)
			}
			if free = without(free, s); len(free) == 0 {
				return false
			}
		}
		seen = len(order)
	}
	return false
}

// overlaps reports whether s has a moment in common with one of the list.
func overlaps(list []spell, s spell) bool {
	for _, f := range list {
		if s.from <= f.to && s.to >= f.from {
			return true
		}
	}
	return false
}

// without is the list without what s covers. The ends of s remain: at the very
// moment of a change either node is right.
func without(list []spell, s spell) []spell {
	var out []spell
	for _, f := range list {
		if s.to < f.from || s.from > f.to {
			out = append(out, f)
			continue
		}
		if s.from >= f.from {
			out = append(out, spell{f.from, s.from})
		}
		if s.to <= f.to {
			out = append(out, spell{s.to, f.to})
		}
	}
	return out
}
