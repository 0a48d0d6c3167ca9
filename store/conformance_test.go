package store_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"ringswap/store"
	"ringswap/store/storetest"
)

func open(t testing.TB, dir string, cfg store.Config) *store.Store {
	t.Helper()
	if cfg.ReserveBytes == 0 {
		cfg.ReserveBytes = -1
	}
	s, err := store.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T, quota int64) storetest.Store {
		return storetest.Wrap(open(t, t.TempDir(), store.Config{Quota: quota}))
	})
}

// TestConformanceOfMemory checks the suite, and the model that Walk compares with.
func TestConformanceOfMemory(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, quota int64) storetest.Store { return storetest.NewMemory(quota) })
}

var seed = flag.Uint64("seed", 0, "the only seed of TestWalk; 0: several new ones")

// TestWalk is the store against its model, with crashes, on seeds that are new
// in every run; a failure prints its own.
func TestWalk(t *testing.T) {
	seeds := []uint64{1, 2, rand.Uint64(), rand.Uint64()}
	if *seed != 0 {
		seeds = []uint64{*seed}
	}
	for _, s := range seeds {
		t.Run(fmt.Sprint(s), func(t *testing.T) { storetest.Walk(t, s, 300) })
	}
}
