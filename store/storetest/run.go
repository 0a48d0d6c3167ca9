package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"ringswap/store"
)

// Run checks every promise that a store makes to one caller at a time. Open
// returns an empty store with the given quota (0: none).
func Run(t *testing.T, open func(t *testing.T, quota int64) Store) {
	for name, f := range map[string]func(*testing.T, Store){
		"Blocks": testBlocks, "Inline": testInline, "BadCids": testBadCids, "CidsMeet": testCidsMeet,
		"References": testReferences, "FileStates": testFileStates, "SeveralLocations": testLocations,
		"DropFile": testDropFile, "Reimport": testReimport, "ImportChecks": testImportChecks,
		"Roots": testRoots, "Pins": testPins, "GC": testGC, "GCKeepsIncomplete": testIncomplete,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t, 0)) })
	}
	t.Run("Quota", func(t *testing.T) { testQuota(t, open(t, 1000)) })
}

// wantBlock checks that a block is there and right.
func wantBlock(t testing.TB, s Store, c cid.Cid, data []byte) {
	t.Helper()
	got, err := s.Get(context.Background(), c)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("Get: %d bytes, %v; want %d bytes", len(got), err, len(data))
	}
	p := make([]byte, len(data))
	if n, err := s.ReadAt(c, p, 0); n != len(data) || err != nil || !bytes.Equal(p, data) {
		t.Errorf("ReadAt: %d, %v", n, err)
	}
	if n, err := s.Size(c); n != len(data) || err != nil {
		t.Errorf("Size: %d, %v; want %d", n, err, len(data))
	}
	if has, err := s.Has(c); !has || err != nil {
		t.Errorf("Has: %v, %v", has, err)
	}
}

// wantError checks that a block cannot be read, and why.
func wantError(t testing.TB, s Store, c cid.Cid, want error) {
	t.Helper()
	if b, err := s.Get(context.Background(), c); !errors.Is(err, want) || b != nil {
		t.Errorf("Get: %d bytes, %v; want %v", len(b), err, want)
	}
	if n, err := s.ReadAt(c, make([]byte, 1), 0); !errors.Is(err, want) || n != 0 {
		t.Errorf("ReadAt: %d, %v; want %v", n, err, want)
	}
	if has, err := s.Has(c); errors.Is(want, store.ErrNotFound) && (has || err != nil) {
		t.Errorf("Has: %v, %v", has, err)
	}
}

func testBlocks(t *testing.T, s Store) {
	for _, data := range [][]byte{{}, {1}, bytes.Repeat([]byte("x"), 1<<20)} {
		c := RawCid(data)
		wantErr := store.ErrNotFound
		if _, err := s.Get(context.Background(), c); !errors.Is(err, wantErr) {
			t.Errorf("Get before Put: %v", err)
		}
		ok(t, s.Put(c, data))
		ok(t, s.Put(c, data))
		wantBlock(t, s, c, data)
	}
	data := []byte("0123456789")
	c := RawCid(data)
	ok(t, s.Put(c, data))
	for _, x := range []struct {
		off  int64
		n    int
		want string
		err  error
	}{{0, 10, "0123456789", nil}, {3, 4, "3456", nil}, {3, 10, "3456789", io.EOF}, {10, 1, "", io.EOF}, {99, 1, "", io.EOF}, {4, 0, "", nil}} {
		p := make([]byte, x.n)
		n, err := s.ReadAt(c, p, x.off)
		if string(p[:n]) != x.want || !errors.Is(err, x.err) {
			t.Errorf("ReadAt(%d bytes at %d) = %q, %v", x.n, x.off, p[:n], err)
		}
	}
	if _, err := s.ReadAt(c, make([]byte, 1), -1); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("negative offset: %v", err)
	}
	if err := s.Put(c, []byte("other")); !errors.Is(err, store.ErrHashMismatch) {
		t.Errorf("wrong bytes: %v", err)
	}
	big := make([]byte, store.MaxBlockBytes+1)
	if err := s.Put(RawCid(big), big); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if u, err := s.Usage(); err != nil || u.Owned != 1<<20+1+10 {
		t.Errorf("usage: %+v, %v", u, err)
	}
}

func testInline(t *testing.T, s Store) {
	h, err := mh.Sum([]byte("carried"), mh.IDENTITY, -1)
	ok(t, err)
	c := cid.NewCidV1(cid.Raw, h)
	wantBlock(t, s, c, []byte("carried"))
	ok(t, s.Put(c, []byte("carried")))
	if err := s.Put(c, []byte("other")); !errors.Is(err, store.ErrHashMismatch) {
		t.Errorf("wrong bytes: %v", err)
	}
	if u, err := s.Usage(); err != nil || u.Owned != 0 {
		t.Errorf("usage: %+v, %v", u, err)
	}
}

func testBadCids(t *testing.T, s Store) {
	if err := s.Put(cid.Undef, nil); !errors.Is(err, store.ErrBadCid) {
		t.Errorf("Put: %v", err)
	}
	if _, err := s.Get(context.Background(), cid.Undef); !errors.Is(err, store.ErrBadCid) {
		t.Errorf("Get: %v", err)
	}
	if err := s.AddRoot(store.Root{}); !errors.Is(err, store.ErrBadCid) {
		t.Errorf("AddRoot: %v", err)
	}
	if err := s.Pin(cid.Undef, ""); !errors.Is(err, store.ErrBadCid) {
		t.Errorf("Pin: %v", err)
	}
}

func testCidsMeet(t *testing.T, s Store) {
	c, data := Node(7)
	ok(t, s.Put(c, data))
	wantBlock(t, s, cid.NewCidV0(c.Hash()), data)
	wantBlock(t, s, cid.NewCidV1(cid.Raw, c.Hash()), data)
	for _, code := range []uint64{mh.SHA2_512, mh.BLAKE2B_MIN + 31, mh.BLAKE3} {
		h, err := mh.Sum(data, code, -1)
		ok(t, err)
		c := cid.NewCidV1(cid.Raw, h)
		wantError(t, s, c, store.ErrNotFound)
		ok(t, s.Put(c, data))
		wantBlock(t, s, c, data)
	}
}

// clock gives every written file a time of modification of its own, whatever
// the tick of the file system's clock.
var clock = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// writeFile writes a file and describes it.
func writeFile(t testing.TB, path string, data []byte) store.File {
	t.Helper()
	ok(t, os.WriteFile(path, data, 0o600))
	clock = clock.Add(time.Second)
	ok(t, os.Chtimes(path, clock, clock))
	f, err := store.StatFile(path)
	ok(t, err)
	return f
}

// refsOf cuts data into chunks of n bytes.
func refsOf(data []byte, n int) (refs []store.Ref) {
	for off := 0; off == 0 || off < len(data); off += n {
		part := data[off:min(off+n, len(data))]
		refs = append(refs, store.Ref{Cid: RawCid(part), Offset: int64(off), Length: len(part)})
	}
	return refs
}

func testReferences(t *testing.T, s Store) {
	dir := t.TempDir()
	data := []byte(strings.Repeat("abcdefghi", 1000))
	refs := refsOf(data, 1024)
	ok(t, s.Import(writeFile(t, filepath.Join(dir, "a"), data), refs))
	for _, r := range refs {
		wantBlock(t, s, r.Cid, data[r.Offset:r.Offset+int64(r.Length)])
	}
	ok(t, s.Import(writeFile(t, filepath.Join(dir, "empty"), nil), refsOf(nil, 1)))
	wantBlock(t, s, RawCid(nil), nil)
	if u, err := s.Usage(); err != nil || u.Owned != 0 {
		t.Errorf("usage: %+v, %v", u, err)
	}
	if fs := collect(t, s.Files(context.Background())); len(fs) != 2 || fs[0].Path != filepath.Join(dir, "a") || fs[0].Size != 9000 {
		t.Errorf("files: %+v", fs)
	}
}

func testFileStates(t *testing.T, s Store) {
	dir := t.TempDir()
	data := []byte("some bytes of a file")
	for name, x := range map[string]struct {
		spoil func(path string)
		want  error
	}{
		"grown": {func(p string) { writeFile(t, p, append([]byte("more"), data...)) }, store.ErrChanged},
		"cut":   {func(p string) { writeFile(t, p, data[:5]) }, store.ErrChanged},
		"touched": {func(p string) {
			clock = clock.Add(time.Second)
			ok(t, os.Chtimes(p, clock, clock))
		}, store.ErrChanged},
		"rewritten": {func(p string) { writeFile(t, p, bytes.ToUpper(data)) }, store.ErrChanged},
		"replaced": {func(p string) {
			st, err := os.Stat(p)
			ok(t, err)
			writeFile(t, p+".new", bytes.ToUpper(data))
			ok(t, os.Chtimes(p+".new", st.ModTime(), st.ModTime()))
			ok(t, os.Rename(p+".new", p))
		}, store.ErrChanged},
		"removed":    {func(p string) { ok(t, os.Remove(p)) }, store.ErrMissing},
		"renamed":    {func(p string) { ok(t, os.Rename(p, p+".elsewhere")) }, store.ErrMissing},
		"now-folder": {func(p string) { ok(t, os.Remove(p)); ok(t, os.Mkdir(p, 0o700)) }, store.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			own := []byte(name + string(data) + string(data) + name) // two blocks of its own
			refs := refsOf(own, len(own)/2)
			ok(t, s.Import(writeFile(t, path, own), refs))
			wantBlock(t, s, refs[1].Cid, own[len(own)/2:]) // so that the file is open
			x.spoil(path)
			wantError(t, s, refs[0].Cid, x.want)
			wantError(t, s, refs[1].Cid, x.want)
			_, err := s.Get(context.Background(), refs[1].Cid)
			if _, mem := s.(*Memory); !mem && !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name the file: %v", err)
			}
		})
	}
}

func testLocations(t *testing.T, s Store) {
	dir := t.TempDir()
	data := []byte("the same in many files")
	c := RawCid(data)
	const n = 20
	for i := range n {
		path := filepath.Join(dir, string(rune('a'+i)))
		ok(t, s.Import(writeFile(t, path, data), refsOf(data, 100)))
	}
	for i := range n - 1 {
		ok(t, os.Remove(filepath.Join(dir, string(rune('a'+i)))))
		wantBlock(t, s, c, data)
	}
	last := filepath.Join(dir, string(rune('a'+n-1)))
	writeFile(t, last, []byte("spoiled"))
	wantError(t, s, c, store.ErrMissing) // the first one's
	ok(t, s.Put(c, data))
	wantBlock(t, s, c, data)
}

func testDropFile(t *testing.T, s Store) {
	dir := t.TempDir()
	one, two := []byte("first second"), []byte("first third ")
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	ok(t, s.Import(writeFile(t, a, one), refsOf(one, 6)))
	ok(t, s.Import(writeFile(t, b, two), refsOf(two, 6)))
	if err := s.DropFile(filepath.Join(dir, "c")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown file: %v", err)
	}
	wantBlock(t, s, RawCid(one[6:]), one[6:])
	ok(t, s.DropFile(a))
	wantError(t, s, RawCid(one[6:]), store.ErrNotFound)
	wantBlock(t, s, RawCid(one[:6]), one[:6])
	if err := s.DropFile(a); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("dropped twice: %v", err)
	}
	if fs := collect(t, s.Files(context.Background())); len(fs) != 1 || fs[0].Path != b {
		t.Errorf("files: %+v", fs)
	}
	f, err := store.StatFile(a)
	ok(t, err)
	ok(t, s.Import(f, refsOf(one, 6)))
	wantBlock(t, s, RawCid(one[6:]), one[6:])
}

func testReimport(t *testing.T, s Store) {
	path := filepath.Join(t.TempDir(), "a")
	one, two := []byte("first second"), []byte("first third ")
	f := writeFile(t, path, one)
	ok(t, s.Import(f, refsOf(one, 6)))
	ok(t, s.Import(f, refsOf(one, 4))) // the same file, cut otherwise: both hold
	wantBlock(t, s, RawCid(one[6:]), one[6:])
	wantBlock(t, s, RawCid(one[8:]), one[8:])
	ok(t, s.Import(writeFile(t, path, two), refsOf(two, 6)))
	wantBlock(t, s, RawCid(two[6:]), two[6:])
	wantBlock(t, s, RawCid(one[:6]), one[:6])
	wantError(t, s, RawCid(one[6:]), store.ErrNotFound)
	if fs := collect(t, s.Files(context.Background())); len(fs) != 1 {
		t.Errorf("files: %+v", fs)
	}
}

func testImportChecks(t *testing.T, s Store) {
	path := filepath.Join(t.TempDir(), "a")
	data := []byte("what was hashed")
	f := writeFile(t, path, data)
	writeFile(t, path, []byte("what is there now"))
	if err := s.Import(f, refsOf(data, 100)); !errors.Is(err, store.ErrChanged) {
		t.Errorf("changed during the import: %v", err)
	}
	wantError(t, s, RawCid(data), store.ErrNotFound)
	ok(t, os.Remove(path))
	if err := s.Import(f, refsOf(data, 100)); !errors.Is(err, store.ErrMissing) {
		t.Errorf("vanished during the import: %v", err)
	}
	if fs := collect(t, s.Files(context.Background())); len(fs) != 0 {
		t.Errorf("files: %+v", fs)
	}
}

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
	ok(t, s.Pin(a, "keep"))
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
	ok(t, s.Pin(a, "one"))
	ok(t, s.Pin(b, ""))
	ok(t, s.Pin(a, "two"))
	all := collect(t, s.Pins(context.Background()))
	if len(all) != 2 || all[0].Added.IsZero() {
		t.Fatalf("pins: %+v", all)
	}
	ok(t, s.Unpin(b))
	if err := s.Unpin(b); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unpinned twice: %v", err)
	}
	all = collect(t, s.Pins(context.Background()))
	if len(all) != 1 || all[0].Name != "two" || !all[0].Cid.Equals(a) {
		t.Errorf("pins: %+v", all)
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
	ok(t, s.Pin(RawCid(block(1)), ""))
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
	ok(t, s.Pin(pinned, ""))
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
