package fair

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// RoundRobin serves waiting peers in turn, whatever they gave.
type RoundRobin struct {
	turn  uint64
	turns map[peer.ID]uint64 // the turn in which a peer was last served
}

// Next is Choker's: the peer that was served longest ago, and of those never
// served the one that has waited longest.
func (r *RoundRobin) Next(_ time.Time, waiting []Candidate) (int, time.Duration) {
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
	return best, 0
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
