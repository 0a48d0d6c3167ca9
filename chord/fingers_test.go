package chord_test

import (
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
)

// TestFingersAreKept: once around the intervals after many nodes died, the fingers
// live; and in a ring where nothing happens, upkeep is cheap.
func TestFingersAreKept(t *testing.T) {
	w := newTown(t, 21, func(cfg *chord.Config) {
		cfg.Ring.Successors, cfg.Ring.SelfLookup, cfg.Cache.Entries = 4, -1, -1
	})
	w.grow(40)
	for i, n := range w.Nodes() {
		if i%4 == 1 {
			w.Kill(n)
		}
	}
	w.RunFor(10 * time.Minute)
	alive := make(map[overlay.ID]bool)
	for _, n := range w.Nodes() {
		alive[n.ID] = true
	}
	sent, fingers, dead := uint64(0), 0, 0
	for _, n := range w.Nodes() {
		v := machine(n).View()
		if len(v.Fingers) == 0 {
			t.Errorf("%s has no fingers", n)
		}
		for _, f := range v.Fingers {
			if fingers++; !alive[f.Contact.ID] {
				dead++
			}
		}
		sent += v.Sent
	}
	if dead > fingers/20 { // where the successor list ends nobody looks
		t.Errorf("%d of %d fingers are dead", dead, fingers)
	}
	w.RunFor(10 * time.Minute)
	for _, n := range w.Nodes() {
		sent -= machine(n).View().Sent
	}
	// Every thirty seconds: the first successor's list is read, another node of the
	// list and a finger are pinged, and every 32nd finger is searched for.
	each := -float64(int64(sent)) / float64(len(alive)) / 60
	t.Logf("%.1f requests a node in ten seconds", each)
	if each > 2 {
		t.Errorf("a node of a quiet ring sends %.1f requests in ten seconds", each)
	}
	w.settled()
}
