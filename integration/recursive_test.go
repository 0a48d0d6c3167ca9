package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Eight nodes that have lookups passed on find what one that asks by itself
// finds, which is what the order of their places says, and show the way; what one
// of them shares, another fetches.
func TestRecursiveLookups(t *testing.T) {
	w := newChordWorld(t)
	all := w.group("n", 8, "--recursive")
	asking := w.start("asking", all[5].bootstrap()...)
	order := w.oneRing(time.Minute, slices.Concat(all, []*daemon{asking})...)

	passed := 0
	for i := range 6 {
		key := fmt.Sprint("key ", i)
		var own lookup
		asking.do(&own, "lookup", key)
		if own.Recursive {
			t.Errorf("%s has lookups passed on, and was not told to", asking.name)
		}
		want := following(order, own.Key)
		if got := found(order, own); got[0] != want[0] {
			t.Errorf("asking for %q finds %v; the ring is %v from there", key, got, want)
		}
		for _, d := range all {
			var l lookup
			d.do(&l, "lookup", key, "--trace")
			if got := found(order, l); !slices.Equal(got, want[:len(got)]) {
				t.Errorf("%s finds %v for %q; the ring is %v from there", d.name, got, key, want)
			}
			l.checkWay(t, d)
			if l.Recursive {
				passed++
			} else if want[0] != d.name {
				t.Errorf("%s asks for %q by itself, and is not its owner", d.name, key)
			}
		}
	}
	t.Logf("%d of %d lookups were passed on", passed, 6*len(all))
	if passed == 0 {
		t.Error("no lookup was passed on")
	}
	var l lookup
	asker, key := all[0], "key for people"
	asking.do(&l, "lookup", key)
	if l.Closest[0].ID == asker.ID {
		asker = all[1]
	}
	r := w.run(asker.repo, "lookup", key, "--trace")
	for _, word := range []string{"passed on from node to node", "HOP", "known", "% past it", l.Closest[0].ID} {
		if r.code != 0 || !strings.Contains(r.stdout, word) {
			t.Errorf("lookup --trace: exit %d, no %q in\n%s%s", r.code, word, r.stdout, r.stderr)
		}
	}

	path := w.file("file", "found by others", 3<<20+1)
	var s shared
	all[2].do(&s, "share", path)
	all[6].gets(s.Cid, path)
}

// following are the names of the daemons in the order of the ring from a key on.
func following(order []*daemon, key string) []string {
	at := max(0, slices.IndexFunc(order, func(d *daemon) bool { return d.Place >= key }))
	return names(slices.Concat(order[at:], order[:at]))
}

// found are the names of the responsible nodes that a lookup found.
func found(order []*daemon, l lookup) (list []string) {
	for _, c := range l.Closest {
		list = append(list, name(order, c.ID))
	}
	return list
}

// checkWay follows a trace from the owner back to a node that d knew.
func (l *lookup) checkWay(t *testing.T, d *daemon) {
	t.Helper()
	if l.RPCs != len(l.Trace) {
		t.Errorf("%s: %d requests, a trace of %d", d.name, l.RPCs, len(l.Trace))
	}
	for i, s := range l.Trace {
		first := s.Via == -1 && s.Hop == 1
		further := s.Via >= 0 && s.Via < i && s.Hop == l.Trace[s.Via].Hop+1
		if !first && !further || first && s.MS <= 0 {
			t.Errorf("%s: step %d of %d is %+v", d.name, i, len(l.Trace), s)
		}
	}
	if last := len(l.Trace) - 1; l.Recursive {
		if s := l.Trace[last]; s.ID != l.Closest[0].ID || !s.Past || l.Hops != s.Hop-1 {
			t.Errorf("%s: the way of %d hops to %s ends with %+v", d.name, l.Hops, l.Closest[0].ID, s)
		}
	}
}
