// Package record keeps what a node of an overlay holds for others: who provides
// which content ([Providers]), and small values that prove themselves ([Values],
// judged by a [Validator]). Both tables are bounded in every direction, whoever
// fills them; when one is full, what is far from this node makes room for what
// is near, by the overlay's own measure. They are pure: the time is an argument,
// and draws come from the owner's seeded source.
//
// Start reading at [Providers]. [Snapshot] is what outlives a restart.
package record

import (
	"math/rand/v2"

	"ringswap/overlay"
	"ringswap/overlay/idmap"
)

// Nearer reports whether this node is nearer to key a than to key b, by the
// distance of its overlay.
type Nearer func(a, b overlay.ID) bool

// makeRoom drops the key that is farthest from this node among a few drawn at
// random, if it is farther than key. It reports whether it did.
func makeRoom[V any](m *idmap.Map[V], key overlay.ID, nearer Nearer, rng *rand.Rand, drop func(overlay.ID)) bool {
	const draws = 8
	var worst overlay.ID
	for i := range draws {
		if id, _ := m.At(rng.IntN(m.Len())); i == 0 || nearer(worst, id) {
			worst = id
		}
	}
	if !nearer(key, worst) {
		return false
	}
	drop(worst)
	return true
}
