package node

import (
	"context"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multihash"

	"github.com/libp2p/go-libp2p/core/peer"
)

func openTest(t *testing.T, via *Node) *Node {
	t.Helper()
	cfg := Config{Repo: t.TempDir(), Network: "node-test", NoMDNS: true, Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")}}
	if via != nil {
		addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: via.net.host.ID(), Addrs: via.net.host.Addrs()})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Bootstrap = addrs
	}
	n, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// Real hosts, the real driver and the real machine: everyone finds what anyone
// provides.
func TestOverlayOverRealHosts(t *testing.T) {
	var nodes []*Node
	for range 12 {
		var via *Node
		if len(nodes) > 0 {
			via = nodes[0]
		}
		nodes = append(nodes, openTest(t, via))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, n := range nodes {
		for n.tablePeers(ctx) == 0 {
			if !pause(ctx, 10*time.Millisecond) {
				t.Fatal("a node found nobody within a minute")
			}
		}
	}
	mh, err := multihash.Sum([]byte("provided"), multihash.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	c := cid.NewCidV1(cid.Raw, mh)
	if stored, err := nodes[3].net.driver.Provide(ctx, c); err != nil || stored == 0 {
		t.Fatalf("stored at %d nodes, %v", stored, err)
	}
	for i, n := range nodes {
		found := false
		for !found && ctx.Err() == nil {
			for p, err := range n.net.driver.Providers(ctx, c) {
				found = found || err == nil && p.ID == nodes[3].net.host.ID()
			}
		}
		if !found {
			t.Errorf("node %d did not find the provider", i)
		}
		l, err := n.Lookup(ctx, LookupRequest{Key: c.String(), Trace: true})
		if err != nil || len(l.Closest) == 0 || len(l.Trace) != l.RPCs {
			t.Errorf("lookup at node %d: %d nodes, %d of %d steps, %v", i, len(l.Closest), len(l.Trace), l.RPCs, err)
		}
		t.Logf("node %d: %d closest, %d RPCs, %d hops, %.1f ms", i, len(l.Closest), l.RPCs, l.Hops, l.MS)
	}
}
