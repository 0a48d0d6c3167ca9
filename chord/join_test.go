package chord_test

import (
	"testing"
	"time"
)

// TestJoinsAreQuick: whichever node of the ring a newcomer knows, its successor
// for instance, it is in the ring within moments.
func TestJoinsAreQuick(t *testing.T) {
	const nodes, moments = 80, 20 * time.Second
	w := newTown(t, 122, nil)
	late := 0
	for i := range nodes {
		n := w.add(true)
		joined := func() bool { return i == 0 || machine(n).State().Member }
		if !w.RunUntil(joined, moments) {
			late++
		}
	}
	if late > 0 {
		t.Errorf("%d of %d nodes were not in the ring after %v", late, nodes, moments)
	}
	w.RunFor(5 * time.Minute)
	w.settled()
}
