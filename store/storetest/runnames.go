package storetest

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/store"
)

func testRoots(t *testing.T, s Store) {
	a, b := RawCid([]byte("a")), RawCid([]byte("b"))
	added := time.Unix(1700000000, 123456789)
	want := store.Root{Cid: a, Name: "näme \x00", Path: "/p/a th", Size: 1 << 40, Chunks: 1 << 20, Added: added, Note: []byte{0, 255}}
	ok(t, s.AddRoot(want))
	ok(t, s.AddRoot(store.Root{Cid: b}))
	got, err := s.Root(a)
	ok(t, err)
	if got.Name != want.Name || got.Path != want.Path || got.Size != want.Size || got.Chunks != want.Chunks ||
		!got.Added.Equal(added) || got.Pinned || !bytes.Equal(got.Note, want.Note) || !got.Cid.Equals(a) {
		t.Errorf("root: %+v", got)
	}
	ok(t, s.AddPin(store.Pin{Cid: a, Name: "keep"}))
	want.Name = "again"
	ok(t, s.AddRoot(want))
	all := collect(t, s.Roots(context.Background()))
	if len(all) != 2 {
		t.Fatalf("roots: %+v", all)
	}
	for _, r := range all {
		if r.Cid.Equals(a) != (r.Name == "again" && r.Pinned) || r.Added.IsZero() {
			t.Errorf("root: %+v", r)
		}
	}
	ok(t, s.RemoveRoot(a))
	if _, err := s.Root(a); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed root: %v", err)
	}
	if err := s.RemoveRoot(a); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

func testPins(t *testing.T, s Store) {
	a, b := RawCid([]byte("a")), RawCid([]byte("b"))
	ok(t, s.AddPin(store.Pin{Cid: a, Name: "one"}))
	ok(t, s.AddPin(store.Pin{Cid: b}))
	ok(t, s.AddPin(store.Pin{Cid: a, Name: "two", Size: 1 << 40}))
	all := collect(t, s.Pins(context.Background()))
	if len(all) != 2 || all[0].Added.IsZero() {
		t.Fatalf("pins: %+v", all)
	}
	ok(t, s.Unpin(b))
	if err := s.Unpin(b); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unpinned twice: %v", err)
	}
	if _, err := s.Pin(b); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unpinned: %v", err)
	}
	all = collect(t, s.Pins(context.Background()))
	one, err := s.Pin(a)
	ok(t, err)
	if len(all) != 1 || all[0].Name != "two" || all[0].Size != 1<<40 || !all[0].Cid.Equals(a) || one.Name != "two" || one.Size != 1<<40 {
		t.Errorf("pins: %+v, %+v", all, one)
	}
}

func testQuota(t *testing.T, s Store) {
	block := func(i byte) []byte { return bytes.Repeat([]byte{i}, 400) }
	ok(t, s.Put(RawCid(block(1)), block(1)))
	ok(t, s.Put(RawCid(block(2)), block(2)))
	err := s.Put(RawCid(block(3)), block(3))
	var q *store.QuotaError
	if !errors.Is(err, store.ErrQuota) || !errors.As(err, &q) || q.Quota != 1000 || q.Used != 800 || q.Need != 400 {
		t.Fatalf("over quota: %v", err)
	}
	ok(t, s.Put(RawCid(block(2)), block(2)))
	ok(t, s.AddPin(store.Pin{Cid: RawCid(block(1))}))
	_, err = s.GC(context.Background(), store.GCOptions{Links: Links})
	ok(t, err)
	ok(t, s.Put(RawCid(block(3)), block(3)))
	if u, err := s.Usage(); err != nil || u.Owned != 800 || u.Quota != 1000 {
		t.Errorf("usage: %+v, %v", u, err)
	}
}

func testGC(t *testing.T, s Store) {
	dir := t.TempDir()
	leaf := func(x string) cid.Cid {
		ok(t, s.Put(RawCid([]byte(x)), []byte(x)))
		return RawCid([]byte(x))
	}
	node := func(salt uint64, links ...cid.Cid) cid.Cid {
		c, b := Node(salt, links...)
		ok(t, s.Put(c, b))
		return c
	}
	file := func(name string) []store.Ref {
		data := []byte(name + ": contents of this file, and common")
		refs := refsOf(data, len(data)-6)
		ok(t, s.Import(writeFile(t, filepath.Join(dir, name), data), refs))
		return refs
	}
	kept, gone := file("kept"), file("gone") // both end in the same chunk
	shared := leaf("shared")
	root := node(1, node(2, leaf("deep"), shared), kept[0].Cid, kept[1].Cid, RawCid([]byte("absent")))
	lost := node(3, leaf("lost"), shared, gone[0].Cid, gone[1].Cid)
	pinned := node(4, leaf("pinned"))
	ok(t, s.AddRoot(store.Root{Cid: root}))
	ok(t, s.AddRoot(store.Root{Cid: lost}))
	ok(t, s.AddPin(store.Pin{Cid: pinned}))
	gc := func() store.GCStats {
		st, err := s.GC(context.Background(), store.GCOptions{Links: Links})
		ok(t, err)
		return st
	}
	if st := gc(); st.Blocks+st.Refs+st.Files != 0 || st.Reached != 12 {
		t.Errorf("collected what is reachable: %+v", st)
	}
	ok(t, s.RemoveRoot(lost))
	if st := gc(); st.Blocks != 2 || st.Bytes == 0 || st.Refs != 1 || st.Files != 0 {
		t.Errorf("collected %+v", st)
	}
	for _, c := range []cid.Cid{lost, RawCid([]byte("lost")), gone[0].Cid} {
		wantError(t, s, c, store.ErrNotFound)
	}
	for _, c := range []cid.Cid{shared, root, pinned, RawCid([]byte("deep")), RawCid([]byte("pinned")), kept[0].Cid, gone[1].Cid} {
		if has, err := s.Has(c); err != nil || !has {
			t.Errorf("%s is gone: %v", c, err)
		}
	}
	ok(t, s.RemoveRoot(root))
	ok(t, s.Unpin(pinned))
	if st := gc(); st.Files != 2 || st.Blocks != 6 {
		t.Errorf("collected %+v", st)
	}
	if fs := collect(t, s.Files(context.Background())); len(fs) != 0 {
		t.Errorf("files: %+v", fs)
	}
	if u, err := s.Usage(); err != nil || u.Owned != 0 {
		t.Errorf("usage: %+v, %v", u, err)
	}
}

func testIncomplete(t *testing.T, s Store) {
	absent, _ := Node(1)
	root, b := Node(2, absent)
	ok(t, s.Put(root, b))
	ok(t, s.AddRoot(store.Root{Cid: root}))
	garbage := RawCid([]byte("garbage"))
	ok(t, s.Put(garbage, []byte("garbage")))
	if _, err := s.GC(context.Background(), store.GCOptions{Links: Links}); !errors.Is(err, store.ErrIncomplete) {
		t.Errorf("collected below what is missing: %v", err)
	}
	wantBlock(t, s, garbage, []byte("garbage"))
	st, err := s.GC(context.Background(), store.GCOptions{Links: Links, Force: true})
	if err != nil || st.Broken != 1 || st.Blocks != 1 {
		t.Errorf("forced: %+v, %v", st, err)
	}
	wantBlock(t, s, root, b)
}
