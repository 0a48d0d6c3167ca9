package fair

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Candidate is a peer that waits for its next bytes.
type Candidate struct {
	Peer  peer.ID
	Since time.Time // when it began to wait for this turn
	Bytes int       // how many it would get now
	// Sent and Received are the peer's account in the ledger, in bytes.
	Sent, Received int64
}

// Choker decides who is served next. It is a pure function of what it is given
// and of its own earlier decisions; its owner calls it from one place at a time.
type Choker interface {
	// Next returns the index of the candidate to serve now, or -1 to serve none
	// of them until the candidates change. waiting is not empty, is in the order
	// in which the peers came to wait, and must not be kept.
	Next(now time.Time, waiting []Candidate) int
}

// RoundRobin serves waiting peers in turn, whatever they gave.
type RoundRobin struct {
	turn  uint64
	turns map[peer.ID]uint64 // the turn in which a peer was last served
}

// Next is Choker's: the peer that was served longest ago, and of those never
// served the one that has waited longest.
func (r *RoundRobin) Next(_ time.Time, waiting []Candidate) int {
	best := 0
	for i, c := range waiting {
		if r.turns[c.Peer] < r.turns[waiting[best].Peer] {
			best = i
		}
	}
	if r.turns == nil || len(r.turns) > 4*len(waiting)+64 {
		r.forget(waiting)
	}
	r.turn++
	r.turns[waiting[best].Peer] = r.turn
	return best
}

// forget keeps the turns of peers that wait now. One that comes back later
// counts as never served, which lets it in at most one turn early.
func (r *RoundRobin) forget(waiting []Candidate) {
	kept := make(map[peer.ID]uint64, len(waiting))
	for _, c := range waiting {
		if t := r.turns[c.Peer]; t > 0 {
			kept[c.Peer] = t
		}
	}
	r.turns = kept
}
