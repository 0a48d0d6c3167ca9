package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
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
	if err := s.AddPin(store.Pin{}); !errors.Is(err, store.ErrBadCid) {
		t.Errorf("AddPin: %v", err)
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
