package node

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A file that is fetched in order has no hole at any moment; what came of it so far can
// be played.
func TestGetInOrder(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	seed, shared, letGo := slowSeed(ctx, t)
	getter := openTest(t, OverlayKademlia, nil)
	if _, err := seed.Settings(ctx, SettingsChange{LimitUp: ptr[int64](4 << 20)}); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	ended := make(chan error, 1)
	go func() {
		_, err := getter.Get(ctx, GetRequest{Ref: shared.Link, Path: out, InOrder: true}, nil)
		ended <- err
	}()
	for begun := 0; ; {
		s, err := getter.Swarm(ctx, SwarmRequest{Ref: shared.Cid, Cells: maxCells})
		if err == nil && s.Have > begun {
			begun = s.Have
			if i := slices.IndexFunc(s.Map, func(c MapCell) bool { return c.Have == 0 }); i >= 0 && i < s.Have {
				t.Fatalf("%d chunks are here, but not chunk %d: %+v", s.Have, i, s.Map)
			}
		}
		if begun > 2 {
			letGo()
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			if begun == 0 {
				t.Error("nobody saw any of it come")
			}
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}
