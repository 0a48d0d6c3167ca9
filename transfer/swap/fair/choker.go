package fair

import (
	"net/netip"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Candidate is a peer that waits for its next bytes.
type Candidate struct {
	Peer peer.ID
	// Root names the swarm that it wants them of.
	Root cid.Cid
	// Net is the prefix of its address that counts as one household, such as the
	// /24 of an IPv4 address or the /48 of an IPv6 one. The zero Prefix makes the
	// peer a household of its own.
	Net   netip.Prefix
	Since time.Time // when it began to wait for this turn
	Bytes int       // how many it would get now
	// Block names the block that these begin with, "" if that is a small one or
	// not known.
	Block string
}

// Choker decides who is served next. It is a function of what it is given, of
// its Book and of its own earlier decisions; its owner calls it from one place at
// a time. The owner enters what it then sends into the Book, at once.
type Choker interface {
	// Next returns the index of the candidate to serve now, or -1 to serve none
	// of them until the candidates or the book change or, if retry is not 0, that
	// much time has passed. waiting is not empty, is in the order in which the
	// peers came to wait, and must not be kept.
	Next(now time.Time, waiting []Candidate) (i int, retry time.Duration)
}

// Judge is a Choker that can say why somebody waits.
type Judge interface {
	// Contributes reports whether c is served for what it gave; if not, it waits
	// because it has to give first.
	Contributes(c Candidate) bool
}
