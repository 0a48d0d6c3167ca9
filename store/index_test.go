//go:build unix

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// ends fails the test, and says where everything stands, if f does not return.
func ends(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		panic(fmt.Sprintf("%s: %s does not end", t.Name(), what))
	}
}

// layerOf has n entries of the given run, of some hundred bytes each.
func layerOf(run, n int) *layer {
	l := newLayer()
	for i := range n {
		l.set(fmt.Sprintf("f%08d%08d", run, i), make([]byte, 90))
	}
	return l
}

// on is an index that has no reserve and is not patient with a full disk.
func on(fs vfs.FS, onFail func()) indexConfig {
	return indexConfig{
		fs: fs, cacheBytes: 1 << 20, retry: 20 * time.Millisecond,
		release: func() bool { return false }, onFail: onFail,
	}
}

// isTable tells the files that hold entries.
func isTable(path string) bool { return strings.HasSuffix(path, ".sst") }

// TestFullDiskHoldsNobody gives the index far more than it may hold while its
// disk has no room, in pieces of every size: neither a commit nor a flush waits
// for room that may never come. Once there is room, everything comes in.
func TestFullDiskHoldsNobody(t *testing.T) {
	for _, sizes := range [][]int{
		{300_000},                       // one piece that is too large by itself
		{4_000, 250_000, 4_000},         // one that is nearly so, after a small one
		{90_000, 90_000, 90_000, 4_000}, // too much, in even pieces
	} {
		var full atomic.Bool
		fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if full.Load() && op.Kind == errorfs.OpFileWrite && isTable(op.Path) {
				return syscall.ENOSPC
			}
			return nil
		}))
		dir := filepath.Join(t.TempDir(), "index")
		x, err := openIndex(dir, on(fs, func() { t.Error("the index was given up") }))
		if err != nil {
			t.Fatal(err)
		}
		full.Store(true)
		left := 0
		for run, n := range sizes {
			l := layerOf(run, n)
			ends(t, fmt.Sprintf("commit %d of %v", run, sizes), func() {
				took, err := x.commit(l, meta{})
				if err != nil {
					t.Error(err)
				}
				if !took {
					left++
				}
			})
		}
		ends(t, fmt.Sprintf("flush after %v", sizes), func() {
			if err := x.flush(); err != nil {
				t.Error(err)
			}
		})
		if !x.full() {
			t.Errorf("%v: the index has not noticed that the disk is full", sizes)
		}
		full.Store(false)
		ends(t, "the wait for room", func() {
			for x.full() {
				time.Sleep(time.Millisecond)
			}
		})
		for run, n := range sizes {
			l := layerOf(run, n)
			ends(t, "commit with room", func() {
				for took := false; !took; {
					var err error
					if took, err = x.commit(l, meta{}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		ends(t, "flush with room", func() {
			if err := x.flush(); err != nil {
				t.Error(err)
			}
		})
		if err := x.close(); err != nil {
			t.Error(err)
		}
		if x, err = openIndex(dir, on(vfs.Default, func() {})); err != nil {
			t.Fatal(err)
		}
		for run, n := range sizes {
			if v, err := x.get(fmt.Sprintf("f%08d%08d", run, n-1)); len(v) != 90 || err != nil {
				t.Errorf("%v: run %d: %d bytes, %v", sizes, run, len(v), err)
			}
		}
		if err := x.close(); err != nil {
			t.Error(err)
		}
		t.Logf("%v: %d of %d had to wait elsewhere", sizes, left, len(sizes))
	}
}

// TestBrokenDisk lets tables fail for good, for another reason than a full disk:
// the index is given up, and nobody waits for it.
func TestBrokenDisk(t *testing.T) {
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && isTable(op.Path) {
			return syscall.EIO
		}
		return nil
	}))
	gone := make(chan struct{})
	x, err := openIndex(filepath.Join(t.TempDir(), "index"), on(fs, func() { close(gone) }))
	if err != nil {
		t.Fatal(err)
	}
	ends(t, "commit", func() {
		if _, err := x.commit(layerOf(0, 100_000), meta{}); err != nil {
			t.Error(err)
		}
	})
	ends(t, "flush", func() {
		if err := x.flush(); err != nil {
			t.Error(err)
		}
	})
	ends(t, "the index's end", func() { <-gone })
	ends(t, "close", func() { _ = x.close() })
}

// TestWritesThatFail runs the index through commits, flushes and compactions
// with its i-th write failing, for every i, once and from then on: it ends
// every time, and what is left can be opened or is known to be damaged.
func TestWritesThatFail(t *testing.T) {
	for _, kind := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, forever := range []bool{false, true} {
			for i := int64(1); ; i++ {
				if !failOne(t, i, kind, forever) {
					t.Logf("%v, for ever %v: %d writes", kind, forever, i-1)
					break
				}
			}
		}
	}
}

// failOne reports whether there were as many writes.
func failOne(t *testing.T, at int64, kind error, forever bool) (reached bool) {
	var n atomic.Int64
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpRemove {
			return nil
		}
		if i := n.Add(1); i == at || forever && i > at {
			return kind
		}
		return nil
	}))
	what := fmt.Sprintf("%v at write %d, for ever %v: ", kind, at, forever)
	dir := filepath.Join(t.TempDir(), "index")
	defer os.RemoveAll(dir)
	var x *index
	var err error
	ends(t, what+"open", func() { x, err = openIndex(dir, on(fs, func() {})) })
	if err != nil {
		if !errors.Is(err, ErrDiskFull) && !errors.Is(err, ErrDamagedIndex) {
			t.Errorf("%sopen: %v", what, err)
		}
		return true
	}
	for run := range 6 {
		ends(t, what+"commit", func() { _, _ = x.commit(layerOf(run%2, 300), meta{}) }) // may say that it is damaged
		ends(t, what+"flush", func() { _ = x.flush() })                                 // likewise
	}
	ends(t, what+"close", func() { _ = x.close() }) // likewise
	ends(t, what+"open again", func() { x, err = openIndex(dir, on(vfs.Default, func() {})) })
	switch {
	case err == nil:
		ends(t, what+"close again", func() { err = x.close() })
		if err != nil {
			t.Errorf("%sclose again: %v", what, err)
		}
	case !errors.Is(err, ErrDamagedIndex):
		t.Errorf("%sopen again: %v", what, err)
	}
	return n.Load() >= at
}

// TestCloseOfFullStore fills the index's disk under a store and closes it, the
// whole way through the store: what was accepted is there when it opens again.
func TestCloseOfFullStore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Config{ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	var full atomic.Bool
	full.Store(true)
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpFileWrite && isTable(op.Path) {
			return syscall.ENOSPC
		}
		return nil
	}))
	old := s.t.Load()
	if err := old.close(); err != nil {
		t.Fatal(err)
	}
	x, err := openIndex(filepath.Join(dir, indexPrefix+"1"), on(fs, s.indexFailed))
	if err != nil {
		t.Fatal(err)
	}
	s.t.Store(newTables(x, old.m))
	file := filepath.Join(t.TempDir(), "file")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, 1<<30)); err != nil {
		t.Fatal(err)
	}
	f, err := StatFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const n = 350_000
	ends(t, "the import", func() {
		b, err := s.Begin()
		if err != nil {
			t.Error(err)
			return
		}
		defer b.Close()
		refs, err := b.File(f)
		if err != nil {
			t.Error(err)
			return
		}
		for i := range n {
			if err := refs.Add(Ref{Cid: cidOf(numberedHash(i)), Offset: int64(i), Length: 1}); err != nil {
				t.Error(err)
				return
			}
		}
		if err := refs.Close(); err != nil {
			t.Error(err)
		}
	})
	ends(t, "Sync", func() { err = s.Sync(context.Background()) })
	if err != nil {
		t.Fatal(err)
	}
	ends(t, "Close", func() { err = s.Close() })
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Config{ReserveBytes: -1}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := 0; i < n; i += 997 {
		if has, err := s.Has(cidOf(numberedHash(i))); !has || err != nil {
			t.Fatalf("reference %d: %v, %v", i, has, err)
		}
	}
}

func numberedHash(i int) string {
	h := make([]byte, 34)
	h[0], h[1] = 0x12, 32
	binary.BigEndian.PutUint64(h[2:], uint64(i)*0x9e3779b97f4a7c15)
	return string(h)
}
