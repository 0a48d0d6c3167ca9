package node

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A neighbour is named as a provider if it has the content, whatever the overlay
// knows, and not for being near.
func TestNeighboursThatHaveItAreProviders(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	holder, other, asker := openTest(t, OverlayKademlia, nil), openTest(t, OverlayKademlia, nil), openTest(t, OverlayKademlia, nil)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("near"), 0o600); err != nil {
		t.Fatal(err)
	}
	shared, err := holder.Share(ctx, ShareRequest{Path: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Node{holder, other} {
		asker.neighbours.add(peer.AddrInfo{ID: n.net.host.ID(), Addrs: n.net.host.Addrs()})
	}
	begin := time.Now()
	found := make(map[string]string)
	for p, err := range asker.Providers(ctx, shared.Cid) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Source == sourceLAN {
			found[p.ID] = p.Source
		}
	}
	if len(found) != 1 || found[holder.net.host.ID().String()] != sourceLAN {
		t.Errorf("found %v, want %s", found, holder.net.host.ID())
	}
	t.Logf("asking the neighbours and the overlay took %v", time.Since(begin))
}

// Who starves asks again soon, who is served seldom, and either one less and less
// often until that changes.
func TestSearchPace(t *testing.T) {
	var p searchPace
	for i, step := range []struct {
		known, starving bool
		want            time.Duration
	}{
		{false, true, 250 * time.Millisecond},
		{false, true, 500 * time.Millisecond},
		{true, true, 4 * time.Second},
		{true, true, 8 * time.Second},
		{true, false, 2 * time.Second},
		{true, false, 4 * time.Second},
		{true, true, time.Second},
	} {
		if got := p.wait(step.known, step.starving); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
		p.searched()
	}
	for range 100 {
		p.searched()
	}
	if got := p.wait(true, true); got != searchHungry {
		t.Errorf("starving for long: %v", got)
	}
	p.wait(true, false)
	for range 100 {
		p.searched()
	}
	if got := p.wait(true, false); got != searchSatisfied {
		t.Errorf("served for long: %v", got)
	}
}
