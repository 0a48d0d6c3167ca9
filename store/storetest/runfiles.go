package storetest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringswap/store"
)

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
