package store_test

import (
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
