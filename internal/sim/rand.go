package sim

import "math/rand/v2"

// mix makes a well spread number of several: the finalizer of splitmix64, over
// and over. Every seed inside a run comes from the run's seed through it.
func mix(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h ^= p
		h += 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// newRand is a source that depends on nothing but the parts.
func newRand(parts ...uint64) *rand.Rand {
	return rand.New(rand.NewPCG(mix(parts...), 0x5851f42d4c957f2d))
}

// Streams of randomness: each concern draws from a source of its own, so that
// turning one on does not change what another does.
const (
	streamPeers uint64 = iota + 1
	streamNetwork
	streamMachine
	streamTable
	streamPlace
	streamScenario
	streamChurn
	streamEvil
	streamLane
)
