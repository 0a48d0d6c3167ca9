package swarm

import "math/rand/v2"

// newRand is a source that depends on nothing but its arguments.
func newRand(seed, stream, who uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, stream<<32|who))
}

// Streams of randomness: each concern draws from a source of its own, so that
// turning one on does not change what another does.
const (
	streamRule uint64 = iota + 1
	streamPick
	streamArrivals
	streamTracker
	streamSpread
)
