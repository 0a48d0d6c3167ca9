package swap

import (
	"crypto/sha256"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// evidence is who gave which bytes of copies of a block that did not match its CID,
// until a copy that matches shows who lied. An honest peer gives what is in the
// block, over a connection that nobody can meddle with; so whoever gave anything else
// lied, and nobody else ever stands accused.
type evidence []claim

// claim is what one peer said stands in a block from off on.
type claim struct {
	from   peer.ID
	off, n int
	sum    [sha256.Size]byte
}

// Bounds of what is remembered, in claims of about 90 bytes: of one block, and of all
// that a session fetches. What is beyond them is forgotten, which delays the day of who
// lied in it and nothing else: see package pick.
const (
	maxClaims    = 256
	maxAllClaims = 4096
)

// claimsOf are the claims that are not in e yet, at most n of them.
func (e evidence) claimsOf(parts []part, n int) (news evidence) {
	n = min(n, maxClaims-len(e))
	for _, p := range parts {
		if len(news) >= n {
			break
		}
		c := claim{from: p.from, off: p.off, n: len(p.data), sum: sha256.Sum256(p.data)}
		if !slices.Contains(e, c) {
			news = append(news, c)
		}
	}
	return news
}

// liars are the peers whose claims a good copy refutes, in the order of their first
// one, and how many bytes each of them gave so; a copy of another length refutes what is
// beyond its end.
func (e evidence) liars(good []byte) (all []liar) {
	for _, c := range e {
		if c.off+c.n <= len(good) && sha256.Sum256(good[c.off:c.off+c.n]) == c.sum {
			continue
		}
		i := slices.IndexFunc(all, func(l liar) bool { return l.id == c.from })
		if i < 0 {
			i = len(all)
			all = append(all, liar{id: c.from})
		}
		all[i].bytes += c.n
	}
	return all
}

type liar struct {
	id    peer.ID
	bytes int
}
