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
