package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ipfs/go-cid"

	"ringswap/store"
	"ringswap/store/storetest"
)

// smallDisk mounts a memory file system of its own, which takes root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no file system of %s can be mounted here: %v", size, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func block(i int) ([]byte, cid.Cid) {
	b := bytes.Repeat(binary.BigEndian.AppendUint64(nil, uint64(i)), 8<<10) // 64 KiB
	return b, storetest.RawCid(b)
}

// putUntilFull returns how many blocks found room, of those that never do all.
func putUntilFull(t *testing.T, s *store.Store, from int) (next int) {
	t.Helper()
	for i := from; ; i++ {
		if i-from > 10_000 {
			t.Fatalf("the small disk took %d blocks and is not full", i-from)
		}
		b, c := block(i)
		err := s.Put(c, b)
		if err == nil {
			continue
		}
		if !errors.Is(err, store.ErrDiskFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("full disk: %v", err)
		}
		return i
	}
}

func wantBlocks(t *testing.T, s *store.Store, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		b, c := block(i)
		if got, err := s.Get(context.Background(), c); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("block %d: %v", i, err)
		}
	}
}

// TestFullDisk fills a small disk, collects garbage on it, fills it again, and
// fills it from outside, with the store open all along.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, "24m")
	dir := filepath.Join(disk, "s")
	cfg := store.Config{PackBytes: 2 << 20, ReserveBytes: 3 << 20}
	ctx := context.Background()
	s := open(t, dir, cfg)
	n := putUntilFull(t, s, 0)
	if n < 200 {
		t.Fatalf("only %d blocks of 64 KiB fit on 24 MiB", n)
	}
	wantBlocks(t, s, 0, n)
	if err := s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, cfg)
	wantBlocks(t, s, 0, n)

	// Collecting needs room, which the reserve gives.
	var keep []cid.Cid
	for i := 0; i < n; i += 20 {
		_, c := block(i)
		keep = append(keep, c)
	}
	root, b := storetest.Node(1, keep...)
	if err := s.Put(root, b); err != nil && !errors.Is(err, store.ErrDiskFull) {
		t.Fatal(err)
	}
	for _, c := range keep {
		if err := s.AddPin(store.Pin{Cid: c}); err != nil && !errors.Is(err, store.ErrDiskFull) {
			t.Fatal(err)
		}
	}
	pinned := map[string]bool{}
	for p, err := range s.Pins(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		pinned[p.Cid.KeyString()] = true
	}
	st, err := s.GC(ctx, store.GCOptions{Links: storetest.Links})
	if err != nil {
		t.Fatal(err)
	}
	if st.Freed < 10<<20 {
		t.Errorf("collected %+v", st)
	}
	for i := range n {
		b, c := block(i)
		got, err := s.Get(ctx, c)
		if pinned[c.KeyString()] != (err == nil && bytes.Equal(got, b)) {
			t.Fatalf("block %d, pinned %v: %v", i, pinned[c.KeyString()], err)
		}
	}

	// Someone else takes all the room, and gives it back.
	more := n + 10
	for i := n; i < more; i++ {
		b, c := block(i)
		if err := s.Put(c, b); err != nil {
			t.Fatalf("after collecting: %v", err)
		}
	}
	hog := filepath.Join(disk, "hog")
	fillDisk(t, hog)
	_, c := block(more)
	b, _ = block(more)
	if err := s.Put(c, b); !errors.Is(err, store.ErrDiskFull) {
		t.Fatalf("full again: %v", err)
	}
	wantBlocks(t, s, n, more)
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(c, b); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if err := s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, cfg)
	wantBlocks(t, s, n, more+1)
}

func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n := 1 << 20; n > 0; n /= 2 {
		for i := 0; err == nil && i < 1000; i++ {
			_, err = f.Write(make([]byte, n))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
}

// TestFullDiskIndex leaves the log just enough room for references but the
// index none to write its tables, also none in a reserve.
func TestFullDiskIndex(t *testing.T) {
	disk := smallDisk(t, "24m")
	dir := filepath.Join(disk, "s")
	cfg := store.Config{ReserveBytes: -1}
	s := open(t, dir, cfg)
	path := filepath.Join(disk, "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Fatal(err)
	}
	f, err := store.StatFile(path)
	if err != nil {
		t.Fatal(err)
	}
	hog := filepath.Join(disk, "hog")
	if err := os.WriteFile(hog, make([]byte, 10<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	n, full := 0, 0
	batch, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Close()
	refs, err := batch.File(f)
	if err != nil {
		t.Fatal(err)
	}
	for ; n < 400_000; n++ { // some 20 MiB of log
		err := refs.Add(store.Ref{Cid: numbered(n), Offset: int64(n), Length: 1})
		if errors.Is(err, store.ErrDiskFull) {
			if full++; full == 1 {
				// All that was accepted is there, and the store does not hang.
				check(t, s, n-600)
				if err := os.Remove(hog); err != nil {
					t.Fatal(err)
				}
				continue
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if full == 0 {
		t.Fatal("the disk was never full")
	}
	check(t, s, n-600)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, cfg)
	check(t, s, n-600)
	t.Logf("%d references, full %d times, %v", n, full, s.Notices())
}

func check(t *testing.T, s *store.Store, n int) {
	t.Helper()
	for i := 0; i < n; i += 97 {
		if _, err := s.Size(numbered(i)); err != nil {
			t.Fatal(fmt.Errorf("reference %d of %d: %w", i, n, err))
		}
	}
}
