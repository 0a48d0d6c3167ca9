package integration

import (
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// twoRings starts two rings that know nothing of each other, and a file in the
// second that nobody in the first finds.
func twoRings(t *testing.T, n int) (w *world, a, b []*daemon, path, cid string) {
	t.Helper()
	w = newChordWorld(t)
	a, b = w.group("a", n), w.group("b", n)
	w.oneRing(time.Minute, a...)
	w.oneRing(time.Minute, b...)
	path = w.file("file", "of the other ring", 3<<20+1)
	var s shared
	b[1].do(&s, "share", path)
	w.fails(3, []string{"provider"}, a[1].repo, "get", s.Cid, "-o", filepath.Join(w.dir, "too early"), "--wait", "1s")
	return w, a, b, path, s.Cid
}

// gets lets a daemon fetch what another one shared, and compares.
func (d *daemon) gets(cid, path string) {
	d.w.t.Helper()
	out := filepath.Join(d.w.dir, "at "+d.name)
	d.do(nil, "get", cid, "-o", out)
	d.w.sameFile(path, out)
}

// One node that is told of both rings makes them one.
func TestTwoRingsMergeThroughABootstrap(t *testing.T) {
	w, a, b, path, cid := twoRings(t, 6)
	bridge := w.start("bridge", append(a[2].bootstrap(), b[3].bootstrap()...)...)
	w.oneRing(90*time.Second, slices.Concat(a, b, []*daemon{bridge})...)
	a[4].gets(cid, path)
	bridge.gets(cid, path)
}

// A node that was in one ring comes back in another; what it remembers of the
// first makes them one.
func TestTwoRingsMergeThroughAMemory(t *testing.T) {
	w, a, b, path, cid := twoRings(t, 5)
	id := a[2].ID
	a[2].stop()
	a[2] = w.start("a2", b[3].bootstrap()...)
	if a[2].ID != id {
		t.Errorf("the identity changed from %s to %s", id, a[2].ID)
	}
	w.oneRing(90*time.Second, append(a, b...)...)
	a[4].gets(cid, path)
}

// A node that is killed comes back with its old repo into its old ring, by
// itself: it remembers whom it knew, and what it kept for others is there again.
func TestRestartedNodeRemembersItsRing(t *testing.T) {
	w := newChordWorld(t)
	all := w.group("n", 5)
	w.oneRing(time.Minute, all...)
	path := w.file("file", "restarted node", 1<<20+1)
	var s shared
	all[1].do(&s, "share", path)
	before, err := all[3].ring()
	if err != nil {
		t.Fatal(err)
	}
	if before.Keys != 1 {
		t.Errorf("n3 keeps %d keys for others, want 1: eight copies are all of five nodes", before.Keys)
	}
	all[3].stop()
	all[3] = w.start("n3") // nobody tells it of anyone
	w.oneRing(time.Minute, all...)
	if after, err := all[3].ring(); err != nil || after.Records != before.Records {
		t.Errorf("it keeps %d records, had %d: %v", after.Records, before.Records, err)
	}
	all[3].gets(s.Cid, path)

	// The same after kill -9, once it had the time to write down whom it knows.
	waitFor(t, "n4 to write down whom it knows", func() bool {
		known, err := filepath.Glob(filepath.Join(all[4].repo, "overlay", "*.peers.json"))
		return err == nil && len(known) == 1
	})
	all[4].kill()
	all[4] = w.start("n4")
	w.oneRing(time.Minute, all...)
	all[4].gets(s.Cid, path)
}

// A ring of one grows, and shrinks again to one, which has all the records.
func TestSmallRings(t *testing.T) {
	w := newChordWorld(t)
	one := w.start("one")
	path := w.file("file", "small rings", 1<<20)
	s := one.shares(path)
	w.oneRing(time.Minute, one)
	two := w.start("two", one.bootstrap()...)
	w.oneRing(time.Minute, one, two)
	two.gets(s.Cid, path)
	three := w.start("three", two.bootstrap()...)
	w.oneRing(time.Minute, one, two, three)
	one.stop() // a good-bye
	w.oneRing(time.Minute, two, three)
	three.gets(s.Cid, path)
	two.kill() // none
	w.oneRing(time.Minute, three)
	if found := three.providers(s.Cid); !found[three.ID] {
		t.Errorf("the last node does not know that it has the file: %v", found)
	}
	four := w.start("four", three.bootstrap()...)
	w.oneRing(time.Minute, three, four)
	four.gets(s.Cid, path)
}
