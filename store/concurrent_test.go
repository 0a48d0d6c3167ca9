package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/store"
	"ringswap/store/storetest"
)

// shares are what TestConcurrent's goroutines share with each other: by number,
// whether what was added then must be there.
type shares struct {
	mu    sync.Mutex
	alive map[uint64]bool
	last  atomic.Uint64
}

// set reports whether that was news.
func (s *shares) set(i uint64, alive bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.alive[i] != alive
	if alive {
		s.alive[i] = true
	} else {
		delete(s.alive, i)
	}
	return news
}

func (s *shares) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.alive)
}

// pick returns one that is alive, or 0.
func (s *shares) pick() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.alive {
		return i
	}
	return 0
}

func (s *shares) is(i uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alive[i]
}

// parts are the blocks of the i-th share: many are those of others too.
func parts(i uint64) (own [][]byte, inFile []byte) {
	for k := range uint64(4) {
		own = append(own, bytes.Repeat(fmt.Append(nil, "own ", (i+k)%97, " "), int(1+(i+k)%97*21)))
	}
	return own, bytes.Repeat(fmt.Append(nil, "file ", i%11, " "), 400)
}

func rootOf(i uint64) (root cid.Cid, block []byte, leaves []cid.Cid) {
	own, inFile := parts(i)
	for _, b := range own {
		leaves = append(leaves, storetest.RawCid(b))
	}
	leaves = append(leaves, storetest.RawCid(inFile))
	inner, _ := storetest.Node(i, leaves...)
	root, block = storetest.Node(i+1<<32, inner)
	return root, block, leaves
}

func addShare(s *store.Store, dir string, i uint64) error {
	b, err := s.Begin()
	if err != nil {
		return err
	}
	defer b.Close()
	own, inFile := parts(i)
	for _, data := range own {
		if err := b.Put(storetest.RawCid(data), data); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, fmt.Sprint(i%11))
	f, err := store.StatFile(path)
	if err != nil {
		return err
	}
	r, err := b.File(f)
	if err != nil {
		return err
	}
	if err := errors.Join(r.Add(store.Ref{Cid: storetest.RawCid(inFile), Length: len(inFile)}), r.Close()); err != nil {
		return err
	}
	root, block, leaves := rootOf(i)
	inner, innerBlock := storetest.Node(i, leaves...)
	return errors.Join(b.Put(inner, innerBlock), b.Put(root, block), s.AddRoot(store.Root{Cid: root}))
}

func readShare(s *store.Store, i uint64) error {
	root, _, leaves := rootOf(i)
	inner, _ := storetest.Node(i, leaves...)
	for _, c := range append(leaves, inner, root) {
		if _, err := s.Get(context.Background(), c); err != nil {
			return err
		}
		if _, err := s.ReadAt(c, make([]byte, 5), 1); err != nil {
			return err
		}
	}
	return nil
}

// TestConcurrent adds, reads, removes, syncs, verifies and collects all at once,
// with collections that are interrupted, and asks for everything that is
// shared at every moment.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	for i := range uint64(11) {
		_, data := parts(i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, filepath.Join(dir, "s"), store.Config{PackBytes: 128 << 10, OpenFiles: 3})
	all := &shares{alive: map[uint64]bool{}}
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	var wg sync.WaitGroup
	worker := func(f func(r *rand.Rand) error) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(rand.Uint64(), 0))
			for ctx.Err() == nil {
				if err := f(r); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 3 {
		worker(func(*rand.Rand) error {
			if all.count() > 40 {
				i := all.pick()
				if !all.set(i, false) {
					return nil // another took it
				}
				root, _, _ := rootOf(i)
				return s.RemoveRoot(root)
			}
			i := all.last.Add(1)
			if err := addShare(s, dir, i); err != nil {
				return fmt.Errorf("adding %d: %w", i, err)
			}
			all.set(i, true)
			return nil
		})
		worker(func(*rand.Rand) error {
			i := all.pick()
			if err := readShare(s, i); err != nil && i > 0 && all.is(i) {
				return fmt.Errorf("reading %d: %w", i, err)
			}
			return nil
		})
	}
	worker(func(r *rand.Rand) error { return s.Sync(ctx2(ctx)) })
	var done store.GCStats
	worker(func(r *rand.Rand) error {
		gctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		left := r.IntN(60)
		st, err := s.GC(gctx, store.GCOptions{Links: storetest.Links, Garbage: 0.2, Progress: func(store.GCStats) {
			if left--; left == 0 {
				cancel()
			}
		}})
		if errors.Is(err, context.Canceled) {
			return nil
		}
		done.Blocks += st.Blocks
		done.Packs += st.Packs
		if done.Blocks > 60 && done.Packs > 1 {
			stop()
		}
		return err
	})
	worker(func(*rand.Rand) error {
		for d, err := range s.Verify(ctx2(ctx), store.VerifyOptions{Workers: 1}) {
			if err != nil {
				return err
			}
			return fmt.Errorf("damage: %+v", d)
		}
		_, err := s.Usage()
		return err
	})
	wg.Wait()
	t.Logf("%d added, %d alive, collected %+v", all.last.Load(), len(all.alive), done)
	for i := range all.alive {
		if err := readShare(s, i); err != nil {
			t.Errorf("at the end, %d: %v", i, err)
		}
	}
	if done.Blocks == 0 || done.Packs == 0 {
		t.Errorf("nothing was collected in half a minute: %+v", done)
	}
}

// ctx2 is ctx without its end, so that what is under way is not cut short.
func ctx2(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// TestHold checks that a batch keeps what it added, or found, through
// collections, and that its end lets go.
func TestHold(t *testing.T) {
	s := open(t, t.TempDir(), store.Config{})
	ctx := context.Background()
	old, fresh := []byte("there before"), []byte("added by the batch")
	if err := s.Put(storetest.RawCid(old), old); err != nil {
		t.Fatal(err)
	}
	collect := func() {
		t.Helper()
		for range 2 {
			if _, err := s.GC(ctx, store.GCOptions{Links: storetest.Links}); err != nil {
				t.Fatal(err)
			}
		}
	}
	has := func(data []byte) bool {
		t.Helper()
		ok, err := s.Has(storetest.RawCid(data))
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	other, err := s.Begin() // so that the epochs of holds differ
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{old, fresh} {
		if err := b.Put(storetest.RawCid(data), data); err != nil {
			t.Fatal(err)
		}
	}
	collect()
	other.Close()
	collect()
	if !has(old) || !has(fresh) {
		t.Fatal("a collection took what a batch holds")
	}
	b.Close()
	collect()
	if has(old) || has(fresh) {
		t.Fatal("a closed batch still holds")
	}
}
