package store

import (
	"fmt"
	"testing"
)

// TestRecent: the latest recentPlaces are kept, and none that was looked up before
// a drop and noted after it.
func TestRecent(t *testing.T) {
	var r recent
	name := func(i int) string { return fmt.Sprint(i) }
	for i := range 3 * recentPlaces {
		r.note(r.before(), found{hash: name(i), at: place{length: i}})
		r.note(r.before(), found{hash: name(i), at: place{length: i + 1}})
		if f, ok := r.get(name(i)); !ok || f.at.length != i+1 {
			t.Fatalf("place %d: %v, %t", i, f, ok)
		}
		_, old := r.get(name(i - recentPlaces))
		_, young := r.get(name(i - recentPlaces + 1))
		if old || i >= recentPlaces && !young {
			t.Fatalf("after %d: the oldest but one %t, the oldest %t", i, old, young)
		}
	}
	if len(r.known) != recentPlaces || len(r.order) != recentPlaces {
		t.Errorf("%d places, %d in order", len(r.known), len(r.order))
	}
	before := r.before()
	r.dropped()
	r.note(before, found{hash: "late"})
	if _, ok := r.get("late"); ok || len(r.known) != 0 {
		t.Errorf("%d places are left, the late one %t", len(r.known), ok)
	}
}
