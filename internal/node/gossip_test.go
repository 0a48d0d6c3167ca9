package node

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Two nodes that announce nothing and know only of the seed hear of each other
// from it, and give each other what they have.
func TestMembersHearOfEachOther(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	seed := openTest(t, OverlayKademlia, nil)
	if _, err := seed.Settings(ctx, SettingsChange{LimitUp: ptr[int64](1 << 20)}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file")
	content := make([]byte, 6<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // never fails
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	shared, err := seed.Share(ctx, ShareRequest{Path: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got [2]Got
	var nodes [2]*Node
	for i := range nodes {
		if nodes[i], err = Open(ctx, Config{Repo: t.TempDir(), Network: "node-test", NoMDNS: true, Listen: loopbackAddr, Brief: true}); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := nodes[i].Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	var both sync.WaitGroup
	for i, n := range nodes {
		both.Go(func() {
			var err error
			got[i], err = n.Get(ctx, GetRequest{Ref: shared.Link, Path: filepath.Join(t.TempDir(), "out")}, nil)
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	var between int64
	for i, g := range got {
		other := nodes[1-i].net.host.ID().String()
		for _, p := range g.Peers {
			if p.ID == other {
				between += p.Bytes
			}
		}
	}
	if between == 0 {
		t.Errorf("they gave each other nothing: %+v", got)
	}
	t.Logf("%d of %d bytes passed between the two", between, 2*shared.Size)
}

// What is said of a swarm in which this node takes no part, or in which nobody is
// connected, is dropped and takes no room.
func TestGossipOfStrangers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := openTest(t, OverlayKademlia, nil)
	liar := openTest(t, OverlayKademlia, n)
	ref := ref{root: testCid(t)}
	named := []peer.AddrInfo{{ID: liar.net.host.ID(), Addrs: []ma.Multiaddr{testAddr}}}
	n.gossip.Heard(ref.root, liar.net.host.ID(), named)
	if told := n.gossip.Tell(ref.root, liar.net.host.ID()); len(told) > 0 || len(n.gossip.swarms) > 0 {
		t.Errorf("of a foreign swarm: told %v, %d kept", told, len(n.gossip.swarms))
	}
	f, err := n.startFetch(ctx, ref, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	n.gossip.Heard(ref.root, liar.net.host.ID(), named)
	n.gossip.mu.Lock()
	defer n.gossip.mu.Unlock()
	if len(n.gossip.swarms) > 0 {
		t.Error("a swarm of nobody is kept")
	}
}
