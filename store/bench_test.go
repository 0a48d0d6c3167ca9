package store_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"ringswap/store"
	"ringswap/store/storetest"
)

// numbered is a CID like any other, for references that nobody reads.
func numbered(i int) cid.Cid {
	h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	m, err := mh.Encode(h[:], mh.SHA2_256)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, m)
}

// fill registers n chunks of 1 MiB of a sparse file.
func fill(b testing.TB, s *store.Store, path string, n int) {
	b.Helper()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	f, err := os.Create(path)
	must(err)
	must(f.Truncate(int64(n) << 20))
	must(f.Close())
	desc, err := store.StatFile(path)
	must(err)
	batch, err := s.Begin()
	must(err)
	defer batch.Close()
	r, err := batch.File(desc)
	must(err)
	for i := range n {
		must(r.Add(store.Ref{Cid: numbered(i), Offset: int64(i) << 20, Length: 1 << 20}))
	}
	must(r.Close())
	must(s.Sync(context.Background()))
}

func resident() string {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown here"
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "unknown here"
}

// BenchmarkMillion registers a file of 1 TiB, opens the store with it, loses
// the index, and says how long each takes and what memory is resident.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	for range b.N {
		dir := b.TempDir()
		cfg := store.Config{ReserveBytes: -1}
		start := time.Now()
		s, err := store.Open(filepath.Join(dir, "s"), cfg)
		if err != nil {
			b.Fatal(err)
		}
		say("first open %v", time.Since(start))
		start = time.Now()
		fill(b, s, filepath.Join(dir, "f"), n)
		say("%d references in %v; resident %s", n, time.Since(start).Round(time.Millisecond), resident())
		start = time.Now()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		say("close %v", time.Since(start).Round(time.Millisecond))
		runtime.GC()
		debug.FreeOSMemory()
		say("closed: resident %s", resident())
		for range 2 {
			start = time.Now()
			if s, err = store.Open(filepath.Join(dir, "s"), cfg); err != nil {
				b.Fatal(err)
			}
			say("open again %v", time.Since(start).Round(time.Millisecond))
			runtime.GC()
			debug.FreeOSMemory()
			say("open: resident %s", resident())
			start = time.Now()
			const gets = 20000
			for i := range gets {
				if _, err := s.Size(numbered(i * (n / gets))); err != nil {
					b.Fatal(err)
				}
			}
			say("size of a random block %v", time.Since(start)/gets)
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
		indexes, err := filepath.Glob(filepath.Join(dir, "s", "index.*"))
		if err != nil {
			b.Fatal(err)
		}
		for _, x := range indexes {
			if err := os.RemoveAll(x); err != nil {
				b.Fatal(err)
			}
		}
		start = time.Now()
		if s, err = store.Open(filepath.Join(dir, "s"), cfg); err != nil {
			b.Fatal(err)
		}
		say("rebuild %v: %v", time.Since(start).Round(time.Millisecond), s.Notices())
		start = time.Now()
		root, block := storetest.Node(1)
		if err := s.Put(root, block); err != nil {
			b.Fatal(err)
		}
		if err := s.AddRoot(store.Root{Cid: root}); err != nil {
			b.Fatal(err)
		}
		st, err := s.GC(context.Background(), store.GCOptions{Links: storetest.Links})
		if err != nil {
			b.Fatal(err)
		}
		say("collection of everything %v: %+v", time.Since(start).Round(time.Millisecond), st)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkServe reads ranges of a referenced file in the page cache, as a
// server of chunks does.
func BenchmarkServe(b *testing.B) {
	for _, size := range []int{256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			dir := b.TempDir()
			s, err := store.Open(filepath.Join(dir, "s"), store.Config{ReserveBytes: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			fill(b, s, filepath.Join(dir, "f"), 256)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				buf := make([]byte, size)
				for i := 0; pb.Next(); i++ {
					if _, err := s.ReadAt(numbered(i%256), buf, int64(i%(1<<20/size)*size)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkPutSync stores a small block durably.
func BenchmarkPutSync(b *testing.B) {
	s, err := store.Open(b.TempDir(), store.Config{ReserveBytes: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	n := uint64(0)
	for b.Loop() {
		n++
		c, block := storetest.Node(n)
		if err := s.Put(c, block); err != nil {
			b.Fatal(err)
		}
		if err := s.Sync(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPut stores blocks of 1 MiB.
func BenchmarkPut(b *testing.B) {
	s, err := store.Open(b.TempDir(), store.Config{ReserveBytes: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	block := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	n := uint64(0)
	for b.Loop() {
		n++
		binary.BigEndian.PutUint64(block, n)
		if err := s.Put(storetest.RawCid(block), block); err != nil {
			b.Fatal(err)
		}
	}
}

// say prints at once and in full, which b.Logf does not.
func say(format string, a ...any) { fmt.Printf("    "+format+"\n", a...) }
