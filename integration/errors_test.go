package integration

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// nobodysCid is the CID of content that no test shares.
const nobodysCid = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"

func TestWrongUsage(t *testing.T) {
	w, _, b := pair(t)
	out := filepath.Join(w.dir, "out")
	for _, args := range [][]string{
		{"get"},
		{"get", "not-a-cid", "-o", out},
		{"get", "peer:not-a-cid", "-o", out},
		{"get", nobodysCid + "x", "-o", out},
		{"frobnicate"},
		{"share", "--no-such-flag", out},
		{"run", "--limit-up", "fast"},
		{"cat", nobodysCid, "--offset", "-1"},
	} {
		w.fails(2, []string{"error"}, b.repo, args...)
	}
}

func TestNothingToShare(t *testing.T) {
	w, a, _ := pair(t)
	w.fails(1, []string{"nowhere"}, a.repo, "share", filepath.Join(w.dir, "nowhere"))
}

func TestNobodyHasIt(t *testing.T) {
	w, _, b := pair(t)
	w.fails(3, []string{"provider"}, b.repo, "get", nobodysCid, "-o", filepath.Join(w.dir, "out"), "--wait", "2s")
}

func TestNothingIsOverwritten(t *testing.T) {
	w, a, b := pair(t)
	path := w.file("shared", "overwrite", 1000)
	other := w.file("other", "something else", 1000)
	before := sum(t, other)
	s := a.shares(path)
	w.fails(1, []string{"--force"}, b.repo, "get", s.Cid, "-o", other)
	if sum(t, other) != before {
		t.Fatal("the other file was overwritten")
	}
	b.do(nil, "get", s.Cid, "-o", other, "--force")
	w.sameFile(path, other)
}

// A file that changed is never served as if it matched, and verify says so.
func TestSharedFileChanges(t *testing.T) {
	w, a, b := pair(t)
	path := w.file("changing", "before", 3<<20)
	s := a.shares(path)
	w.file("changing", "after", 3<<20)
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, future, future); err != nil {
		t.Fatal(err)
	}
	r := w.run(b.repo, "get", s.Cid, "-o", filepath.Join(w.dir, "changed"), "--wait", "3s")
	if r.code != 3 && r.code != 5 {
		t.Errorf("get of a file that changed: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	w.fails(5, []string{"changing"}, a.repo, "verify")
}

// The index is a cache: damaged from end to end it costs nothing.
func TestDamagedIndex(t *testing.T) {
	w, a, b := pair(t)
	path := w.file("precious", "index", 2<<20)
	a.shares(path)
	a.stop()
	damage(t, filepath.Join(a.repo, "store"))
	a = w.start("a", b.bootstrap()...)
	a.do(nil, "verify")
	var again shared
	a.do(&again, "share", path) // its address is another than before
	b.do(nil, "get", again.Link, "-o", filepath.Join(w.dir, "out"))
	w.sameFile(path, filepath.Join(w.dir, "out"))
}

// damage overwrites the middle of every file of the store's index.
func damage(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "index*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no index in %s: %v", dir, err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := len(b) / 4; i < len(b)*3/4; i++ {
			b[i] ^= 0x55
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// One process has a repo. A second daemon says so and leaves; commands talk to
// the first.
func TestRepoInUse(t *testing.T) {
	w, a, _ := pair(t)
	w.fails(1, []string{"process"}, a.repo, append([]string{"run"}, w.flags()...)...)
	var id struct{ ID string }
	a.do(&id, "id")
	if id.ID != a.ID {
		t.Errorf("id says %s, the daemon is %s", id.ID, a.ID)
	}
}

// A pin keeps a copy of its own, also when the file it came from is gone; gc
// takes what nothing keeps.
func TestPinAndCollect(t *testing.T) {
	w, a, b := pair(t)
	path := w.file("file", "pinned", 2<<20)
	s := a.shares(path)
	b.do(nil, "pin", "add", s.Cid)
	a.stop()
	b.stop()
	b = w.start("b")
	if x := b.transfers()[s.Cid]; x.State != "seeding" || x.Size != 2<<20 {
		t.Errorf("what was pinned before the restart is %+v", x)
	}
	out := filepath.Join(w.dir, "out")
	w.start("c", b.bootstrap()...).do(nil, "get", s.Cid, "-o", out)
	w.sameFile(path, out)
	b.do(nil, "pin", "rm", s.Cid)
	var reclaimed struct{ Bytes int64 }
	b.do(&reclaimed, "gc")
	if reclaimed.Bytes < 2<<20 {
		t.Errorf("gc reclaimed %d bytes of a pin of 2 MiB", reclaimed.Bytes)
	}
}

// A node whose only way in leads into another overlay, or another network, says so
// and what to try.
func TestWrongNeighbours(t *testing.T) {
	w := newWorld(t)
	a := w.start("a")
	ring := w.start("ring", append(a.bootstrap(), "--overlay", "chord")...)
	words := []string{"overlay is kademlia and this node's is chord", "try", "--overlay kademlia"}
	w.fails(1, words, ring.repo, "lookup", "anything")
	w.fails(1, words, ring.repo, "providers", nobodysCid)
	w.fails(0, words, ring.repo, "status")
	w.fails(0, words, ring.repo, "share", w.file("file", "strangers", 1000))
	w.fails(3, words, ring.repo, "get", nobodysCid, "-o", filepath.Join(w.dir, "out"), "--wait", "1s")
	alone := w.start("alone", append(a.bootstrap(), "--network", w.network+"-other")...)
	words = []string{"network is " + w.network + " and this node's is " + w.network + "-other", "--network " + w.network}
	w.fails(1, words, alone.repo, "lookup", "anything")
	w.fails(3, words, alone.repo, "get", nobodysCid, "-o", filepath.Join(w.dir, "out"), "--wait", "1s")
}
