// Package record keeps what a node of an overlay holds for others: who provides
// which content ([Providers]), and small values that prove themselves ([Values],
// judged by a [Validator]). Both tables are bounded in every direction, whoever
// fills them; when one is full, what is far from this node makes room for what
// is near, by the overlay's own measure. They are pure: the time is an argument,
// and draws come from the owner's seeded source.
//
// Start reading at [Providers]. [Snapshot] is what outlives a restart.
package record

import "ringswap/overlay"

// Nearer reports whether this node is nearer to key a than to key b, by the
// distance of its overlay.
type Nearer func(a, b overlay.ID) bool

// draws is how many keys are looked at to find one that makes room.
const draws = 8
