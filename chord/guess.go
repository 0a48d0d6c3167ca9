package chord

import (
	"math"

	"ringswap/overlay"
)

// A lookup need not be told by the key's predecessor who comes next if the node
// at hand knows so many of the nodes there that the first one it knows from the
// key on is probably the first there is. Asking that one at once is safe, since it
// knows its own predecessor, and so whether the key is its own; if it is not, it
// names that predecessor, which often is.

// Expected costs, for the default of Lookup.Guess: let m be the number of unknown
// nodes that are to be expected between the key and the guess, and their number
// be Poisson distributed. Then the guess costs one request with probability
// exp(-m), two with m*exp(-m), and otherwise three, in the place of two for the
// key's predecessor and its successor: that is even at m = 1.146.
const evenGuess = 1.146

// maxGuesses is the most requests of one lookup to nodes for which nobody before
// the key vouches, so that liars cannot lead it along.
const maxGuesses = 4

// guess is the first node that this one knows at or after the key, if that is
// likely to be the key's successor, and to live by the odds of this moment; nil
// otherwise. keep may refuse it.
func (m *Machine) guess(key overlay.ID, o *odds, keep func(*overlay.Contact) bool) *overlay.Contact {
	limit, spacing := m.cfg.Lookup.Guess, m.spacing()
	if limit < 0 || spacing == 0 {
		return nil
	}
	i, _ := m.index.search(key)
	if i == len(m.index.list) {
		return nil
	}
	c := m.index.list[i].c
	if keep != nil && !keep(c) {
		return nil
	}
	if !o.trusted(&m.index.list[i]) {
		return nil
	}
	if missed := fraction(c.ID.Sub(key)) / spacing * (1 - m.index.known(i, spacing)); missed > limit {
		return nil
	}
	return c
}

// known is the share of the nodes around the i-th entry that are in the index, in
// a ring with this mean distance between nodes.
func (x *index) known(i int, spacing float64) float64 {
	const window, least = 8, 4
	lo, hi := i, min(i+window, len(x.list)-1)
	if hi-lo < least { // the end of the ring: look at what is before
		lo = max(0, hi-window)
	}
	if lo == hi {
		return 0
	}
	span := float64(x.dist[hi]-x.dist[lo]) / (1 << 64)
	return min(1, float64(hi-lo)*spacing/span)
}

// spacing is the mean distance between two nodes next to each other, as a part of
// the whole ring; 0 if that is unknown. A node in the ring measures it along its
// successor list, another one along the lists that its lookups ended with.
func (m *Machine) spacing() float64 {
	if n := len(m.ring.succ); n > 0 {
		return fraction(m.ring.succ[n-1].ID.Sub(m.self.ID)) / float64(n)
	}
	return m.observed
}

// observe takes a list of nodes that stand next to each other into the estimate.
func (m *Machine) observe(list []*overlay.Contact) {
	n := len(list) - 1
	if n < 2 {
		return
	}
	spacing := fraction(list[n].ID.Sub(list[0].ID)) / float64(n)
	switch {
	case spacing == 0 || math.IsNaN(spacing):
	case m.observed == 0:
		m.observed = spacing
	default:
		m.observed += (spacing - m.observed) / 8
	}
}

// promising reports whether a node that is said to be the predecessor of one that
// turned out not to be the key's successor is likely to be it.
func (l *lookup) promising(c *overlay.Contact) bool {
	spacing := l.m.spacing()
	return spacing > 0 && fraction(c.ID.Sub(l.target))/spacing <= l.m.cfg.Lookup.Guess
}

// nextGuess is the nearest node at or after the key that is worth asking though
// nobody vouches for it.
func (l *lookup) nextGuess() *candidate {
	if l.own || l.guesses >= maxGuesses || l.m.cfg.Lookup.Guess < 0 {
		return nil
	}
	for _, o := range l.owners {
		if o.state == heard && o.guessed {
			return o
		}
	}
	return nil
}
