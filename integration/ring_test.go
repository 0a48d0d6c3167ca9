package integration

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// newChordWorld is a network of processes that form a Chord ring.
func newChordWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.overlay = "chord"
	return w
}

// ringView is what `peer ring --json` says on Chord.
type ringView struct {
	ID, Place   string
	Entries     int
	Predecessor *ringPeer
	Successors  []ringPeer
	Keys        int
	Records     int
}

type ringPeer struct{ ID, Place string }

// listLength is the length of a successor list that is full.
const listLength = 32

// placeOf is where a node stands: at the hash of its peer ID.
func placeOf(t *testing.T, id string) string {
	t.Helper()
	p, err := peer.Decode(id)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(p)))
}

// ring is the daemon's view of its ring.
func (d *daemon) ring() (v ringView, err error) {
	r, err := d.w.try(20*time.Second, d.repo, "--json", "ring")
	if err != nil {
		return v, err
	}
	if r.code != 0 {
		return v, fmt.Errorf("exit %d: %s", r.code, r.stderr)
	}
	return v, json.Unmarshal([]byte(r.stdout), &v)
}

// oneRing waits until the daemons, and nobody else, form one ideal ring: each
// one's predecessor and whole successor list are those that the order of all
// places makes. It returns the daemons in that order, and fails the test with a
// picture of what is wrong if that takes longer than the limit.
func (w *world) oneRing(limit time.Duration, daemons ...*daemon) []*daemon {
	w.t.Helper()
	begin := time.Now()
	giveUp := time.NewTimer(limit)
	defer giveUp.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	order := slices.Clone(daemons)
	slices.SortFunc(order, func(a, b *daemon) int { return strings.Compare(a.Place, b.Place) })
	for todo := order; ; {
		var wrong []string
		var left []*daemon
		for _, d := range todo {
			if text := d.notIdeal(order); text != "" {
				wrong, left = append(wrong, text), append(left, d)
			}
		}
		if len(left) == 0 {
			if len(todo) == len(order) { // all of them, one after the other
				w.t.Logf("one ring of %d after %v", len(order), time.Since(begin).Round(10*time.Millisecond))
				return order
			}
			todo = order // whoever was right first may have changed since
			continue
		}
		todo = left
		select {
		case <-tick.C:
		case <-giveUp.C:
			w.t.Fatalf("no ring of these %d after %v; in the order of their places they are\n  %s\n%d are wrong:\n  %s",
				len(order), limit, strings.Join(names(order), " "), len(wrong), strings.Join(wrong, "\n  "))
		}
	}
}

// notIdeal says what is wrong with a daemon's place in the ring that order
// names, or nothing.
func (d *daemon) notIdeal(order []*daemon) string {
	v, err := d.ring()
	if err != nil {
		return fmt.Sprintf("%s cannot say: %v", d.name, err)
	}
	n, at := len(order), slices.Index(order, d)
	var want []string
	for k := range min(listLength, n-1) {
		want = append(want, order[(at+1+k)%n].name)
	}
	var have []string
	for _, s := range v.Successors {
		have = append(have, name(order, s.ID))
	}
	if !slices.Equal(have, want) {
		return fmt.Sprintf("%s is followed by [%s], should be [%s]", d.name, strings.Join(have, " "), strings.Join(want, " "))
	}
	before, have1 := order[(at+n-1)%n].name, "nobody"
	if v.Predecessor != nil {
		have1 = name(order, v.Predecessor.ID)
	}
	if n > 1 && have1 != before {
		return fmt.Sprintf("%s comes after %s, should come after %s", d.name, have1, before)
	}
	return ""
}

// name is what a test calls the node with an ID.
func name(daemons []*daemon, id string) string {
	if i := slices.IndexFunc(daemons, func(d *daemon) bool { return d.ID == id }); i >= 0 {
		return daemons[i].name
	}
	return "somebody else (" + id[len(id)-6:] + ")"
}

func names(daemons []*daemon) (list []string) {
	for _, d := range daemons {
		list = append(list, d.name)
	}
	return list
}

// group starts n daemons that enter through each other, and no one else.
func (w *world) group(prefix string, n int, flags ...string) []*daemon {
	w.t.Helper()
	var all []*daemon
	for i := range n {
		var via []string
		if i > 0 {
			via = all[(i-1)/2].bootstrap() // a tree, so that nobody knows all
		}
		all = append(all, w.start(fmt.Sprint(prefix, i), slices.Concat(flags, via)...))
	}
	return all
}
