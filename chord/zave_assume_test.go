package chord_test

import (
	"testing"

	"ringswap/chord"
	"ringswap/overlay"
)

// assumed is an ideal ring of n nodes at 10, 20 and so on, with lists of two,
// after the given changes.
func assumed(n int, changes ...chord.State) chord.Assumption {
	a := chord.Assumption{RingMonitor: chord.NewRingMonitor()}
	place := func(i int) int { return 10 + 10*((i+n)%n) }
	for i := range n {
		s := node(place(i), place(i-1), place(i+1), place(i+2))
		a.Set(&s)
	}
	a.Settle()
	for _, s := range changes {
		a.Set(&s)
	}
	return a
}

func TestMayFail(t *testing.T) {
	pending := func(asker, from int, list ...int) chord.Pending {
		p := chord.Pending{Asker: at(asker), From: at(from)}
		for _, n := range list {
			p.List = append(p.List, at(n))
		}
		return p
	}
	for _, c := range []struct {
		name    string
		a       chord.Assumption
		pending []chord.Pending
		doubted int
		fails   int
		want    bool
	}{
		{name: "an ideal ring", a: assumed(6), fails: 20, want: true},
		{name: "the only entry of a list", a: assumed(6, node(10, 60, 20)), fails: 20},
		{name: "the only live entry of a list", a: assumed(6, node(10, 60, 15, 20)), fails: 20},
		{name: "one of four, where three have to stay", a: assumed(4), fails: 20, want: true},
		{name: "one of three, where three have to stay", a: assumed(3), fails: 20},
		{name: "the sender of a list that names nobody else", a: assumed(6), pending: []chord.Pending{pending(40, 50, 99)}, fails: 50},
		{name: "somebody else then", a: assumed(6), pending: []chord.Pending{pending(40, 50, 99)}, fails: 20, want: true},
		{name: "all that a newcomer will know", a: assumed(6), pending: []chord.Pending{pending(35, 30, 40)}, fails: 40},
		{name: "the one that a newcomer asked", a: assumed(6), pending: []chord.Pending{pending(35, 30, 40)}, fails: 30, want: true},
		{name: "the other entry beside a doubted one", a: assumed(6), doubted: 20, fails: 30},
		{name: "a principal, as a list on its way skips two", a: assumed(5), pending: []chord.Pending{pending(10, 20, 50)}, fails: 20},
	} {
		c.a.Pending = c.pending
		c.a.Doubted = func(id overlay.ID) bool { return id == at(c.doubted) }
		if got := c.a.MayFail(at(c.fails)); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	for _, c := range []struct {
		who, id int
		want    bool
	}{{10, 20, true}, {40, 50, false}, {99, 20, false}} {
		a := assumed(6, node(40, 30, 50))
		if got := a.MaySuspect(at(c.who), at(c.id)); got != c.want {
			t.Errorf("%d suspects %d: %t", c.who, c.id, got)
		}
	}
}
