package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"ringswap/store"
	"ringswap/store/storetest"
)

// TestPutVerified: a block whose caller has hashed it is stored as Put would; one
// whose caller was wrong is found out when it is read.
func TestPutVerified(t *testing.T) {
	s := open(t, t.TempDir(), store.Config{})
	data := bytes.Repeat([]byte("x"), 5000)
	c := storetest.RawCid(data)
	if err := s.PutVerified(c, data); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(context.Background(), c); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	other := storetest.RawCid([]byte("other"))
	if err := s.PutVerified(other, data); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(context.Background(), other); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("wrong bytes: %v", err)
	}
	if err := s.PutVerified(c, make([]byte, store.MaxBlockBytes+1)); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("too many bytes: %v", err)
	}
}

// TestWhich asks about blocks that are owned, referenced, dropped, in more files
// than are looked at in one go, in their own CID, or nowhere; before and after
// what is known of them has moved to disk. It must say what Has says.
func TestWhich(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "s"), store.Config{})
	batch, err := s.Begin()
	must(t, err)
	defer batch.Close()
	var cids []cid.Cid
	want := map[int]bool{}
	add := func(c cid.Cid, here bool) {
		want[len(cids)] = here
		cids = append(cids, c)
	}
	register := func(name string, blocks ...cid.Cid) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, make([]byte, len(blocks)), 0o600))
		desc, err := store.StatFile(path)
		must(t, err)
		refs, err := batch.File(desc)
		must(t, err)
		for i, c := range blocks {
			must(t, refs.Add(store.Ref{Cid: c, Offset: int64(i), Length: 1}))
		}
		must(t, refs.Close())
		return path
	}
	for round := range 3 {
		block := func(i int) cid.Cid { return storetest.RawCid(fmt.Appendf(nil, "%d of round %d", i, round)) }
		owned := fmt.Appendf(nil, "owned in round %d", round)
		must(t, s.Put(storetest.RawCid(owned), owned))
		add(storetest.RawCid(owned), true)
		register(fmt.Sprintf("kept-%d", round), block(0), block(1), block(2))
		must(t, s.DropFile(register(fmt.Sprintf("dropped-%d", round), block(2), block(3))))
		for i := range 5 {
			add(block(i), i < 3)
		}
		for i := range 12 {
			register(fmt.Sprintf("many-%d-%d", round, i), block(10), block(11))
		}
		add(block(10), true)
		if round == 1 {
			must(t, s.Sync(t.Context()))
		}
	}
	inline, err := mh.Encode([]byte("itself"), mh.IDENTITY)
	must(t, err)
	add(cid.NewCidV1(cid.Raw, inline), true)
	compare := func() {
		t.Helper()
		have, err := s.Which(cids)
		must(t, err)
		for i, c := range cids {
			has, err := s.Has(c)
			must(t, err)
			if have[i] != has || has != want[i] {
				t.Errorf("block %d: Which %t, Has %t, want %t", i, have[i], has, want[i])
			}
		}
	}
	compare()
	for round := range 3 { // leaves one of twelve
		for i := range 11 {
			must(t, s.DropFile(filepath.Join(dir, fmt.Sprintf("many-%d-%d", round, i))))
		}
	}
	compare()
	if have, err := s.Which(nil); len(have) != 0 || err != nil {
		t.Errorf("of nothing: %v, %v", have, err)
	}
}

// BenchmarkWhich asks about the chunks of 1 GiB of which none is here.
func BenchmarkWhich(b *testing.B) {
	s, err := store.Open(b.TempDir(), store.Config{ReserveBytes: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	cids := make([]cid.Cid, 1024)
	for i := range cids {
		cids[i] = numbered(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if have, err := s.Which(cids); err != nil || slices.Contains(have, true) {
			b.Fatal(have, err)
		}
	}
}

// TestAddFiles registers many files at a time: new ones, ones that are known, one
// twice, one with more references than a record holds, and one that changed after
// it was described.
func TestAddFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "s"), store.Config{})
	batch, err := s.Begin()
	must(t, err)
	defer batch.Close()
	write := func(name string, size int) store.FileWith {
		path := filepath.Join(dir, name)
		data := bytes.Repeat([]byte(name), size)[:size]
		must(t, os.WriteFile(path, data, 0o600))
		desc, err := store.StatFile(path)
		must(t, err)
		f := store.FileWith{File: desc}
		for i := range size {
			f.Refs = append(f.Refs, store.Ref{Cid: storetest.RawCid(data[i:]), Offset: int64(i), Length: size - i})
		}
		return f
	}
	readable := func(f store.FileWith) {
		t.Helper()
		for _, r := range f.Refs {
			if got, err := s.Get(t.Context(), r.Cid); err != nil || len(got) != r.Length {
				t.Fatalf("%s: %d of %d bytes at %d, %v", f.File.Path, len(got), r.Length, r.Offset, err)
			}
		}
	}
	var files []store.FileWith
	for i := range 700 {
		files = append(files, write(fmt.Sprintf("f%03d", i), i%4))
	}
	files = append(files, files[3], write("long", 1200))
	must(t, batch.AddFiles(files))
	must(t, batch.AddFiles(files[600:]))
	for _, f := range files {
		readable(f)
	}
	registered := 0
	for _, err := range s.Files(t.Context()) {
		must(t, err)
		registered++
	}
	if registered != len(files)-1 {
		t.Errorf("%d files are registered, want %d", registered, len(files)-1)
	}

	before, changed, after := write("before", 3), write("changed", 3), write("after", 3)
	must(t, os.WriteFile(changed.File.Path, []byte("longer than it was"), 0o600))
	err = batch.AddFiles([]store.FileWith{before, changed, after})
	if !errors.Is(err, store.ErrChanged) {
		t.Errorf("a file that changed: %v", err)
	}
	readable(before)
	for _, f := range []store.FileWith{changed, after} {
		if has, err := s.Has(f.Refs[0].Cid); has || err != nil {
			t.Errorf("%s is registered (%v)", f.File.Path, err)
		}
	}
	outside := write("outside", 3)
	outside.Refs[1].Length = 3
	var told *store.FileError
	if err := batch.AddFiles([]store.FileWith{outside}); !errors.As(err, &told) {
		t.Errorf("a reference beyond the end: %v", err)
	}

	must(t, s.Close()) // everything is in the log as well as in the index
	s = open(t, filepath.Join(dir, "s"), store.Config{})
	for _, f := range files {
		readable(f)
	}
}

// TestSizeThenRead: a place that was looked up a moment ago is not used any more
// once what it leads to was dropped.
func TestSizeThenRead(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "s"), store.Config{})
	batch, err := s.Begin()
	must(t, err)
	path := filepath.Join(dir, "f")
	must(t, os.WriteFile(path, []byte("some bytes"), 0o600))
	desc, err := store.StatFile(path)
	must(t, err)
	c := storetest.RawCid([]byte("some bytes"))
	must(t, batch.AddFiles([]store.FileWith{{File: desc, Refs: []store.Ref{{Cid: c, Length: 10}}}}))
	owned := []byte("bytes of its own")
	must(t, s.Put(storetest.RawCid(owned), owned))
	read := func(c cid.Cid) error {
		_, err := s.ReadAt(c, make([]byte, 4), 2)
		return err
	}
	for _, c := range []cid.Cid{c, storetest.RawCid(owned)} {
		if _, err := s.Size(c); err != nil {
			t.Fatal(err)
		}
		must(t, read(c))
	}
	must(t, s.DropFile(path))
	if err := read(c); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a dropped file is read: %v", err)
	}
	if _, err := s.Size(storetest.RawCid(owned)); err != nil {
		t.Fatal(err)
	}
	batch.Close()
	if _, err := s.GC(t.Context(), store.GCOptions{Links: storetest.Links}); err != nil {
		t.Fatal(err)
	}
	if err := read(storetest.RawCid(owned)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a collected block is read: %v", err)
	}
	// A file that was replaced is found out although its place is known.
	other := filepath.Join(dir, "g")
	must(t, os.WriteFile(other, []byte("some bytes"), 0o600))
	desc, err = store.StatFile(other)
	must(t, err)
	batch, err = s.Begin()
	must(t, err)
	defer batch.Close()
	must(t, batch.AddFiles([]store.FileWith{{File: desc, Refs: []store.Ref{{Cid: c, Length: 10}}}}))
	if _, err := s.Size(c); err != nil {
		t.Fatal(err)
	}
	must(t, os.WriteFile(other, []byte("other bytes, and more"), 0o600))
	if err := read(c); !errors.Is(err, store.ErrChanged) {
		t.Errorf("a changed file is read: %v", err)
	}
}
