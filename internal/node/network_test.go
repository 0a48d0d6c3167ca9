package node

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multihash"

	"ringswap/overlay"
)

var loopbackAddr = []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")}

// openTest runs a node of an overlay, until the test ends, that enters through
// another one.
func openTest(t *testing.T, name string, via *Node) *Node {
	t.Helper()
	return openRepo(t, t.TempDir(), name, via)
}

func openRepo(t *testing.T, repo, name string, via *Node) *Node {
	t.Helper()
	cfg := Config{Repo: repo, Overlay: name, Network: "node-test", NoMDNS: true, Listen: loopbackAddr}
	if via != nil {
		cfg.Bootstrap = via.fullAddrs()
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

// settle waits until every node knows another one.
func settle(ctx context.Context, t *testing.T, nodes []*Node) {
	t.Helper()
	for _, n := range nodes {
		for n.entries(ctx) == 0 {
			if !pause(ctx, 10*time.Millisecond) {
				t.Fatal("a node found nobody within a minute")
			}
		}
	}
}

func testContent(t *testing.T, text string) cid.Cid {
	t.Helper()
	mh, err := multihash.Sum([]byte(text), multihash.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	return cid.NewCidV1(cid.Raw, mh)
}

// Real hosts, the real driver and the real machine: everyone finds what anyone
// provides.
func TestOverlayOverRealHosts(t *testing.T) {
	for _, name := range Overlays() {
		t.Run(name, func(t *testing.T) { testOverlay(t, name) })
	}
}

func testOverlay(t *testing.T, name string) {
	var nodes []*Node
	for range 12 {
		var via *Node
		if len(nodes) > 0 {
			via = nodes[0]
		}
		nodes = append(nodes, openTest(t, name, via))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	settle(ctx, t, nodes)
	c := testContent(t, "provided")
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
		if err != nil || len(l.Closest) == 0 || len(l.Trace) != l.RPCs || l.Overlay != name {
			t.Errorf("lookup at node %d: %d nodes, %d of %d steps, %v", i, len(l.Closest), len(l.Trace), l.RPCs, err)
		}
		r, err := n.Ring(ctx)
		if err != nil || r.Overlay != name || r.Entries == 0 || len(r.Buckets)+len(r.Successors) == 0 {
			t.Errorf("ring at node %d: %+v, %v", i, r, err)
		}
		t.Logf("node %d: %d closest, %d RPCs, %d hops, %.1f ms", i, len(l.Closest), l.RPCs, l.Hops, l.MS)
	}
}

// A node comes back with its peers and with the records that it kept for
// others, and without a bootstrap node; and the repo can be run on any overlay
// meanwhile.
func TestOverlaySurvivesARestart(t *testing.T) {
	for _, name := range Overlays() {
		t.Run(name, func(t *testing.T) { testRestart(t, name) })
	}
}

func testRestart(t *testing.T, name string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	repo, c := t.TempDir(), testContent(t, "kept")
	provider := openTest(t, name, nil)
	first := openRepo(t, repo, name, provider)
	settle(ctx, t, []*Node{first, provider})
	kept := func(n *Node) int {
		r, err := n.Ring(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return r.Records
	}
	for kept(first) == 0 {
		if _, err := provider.net.driver.Provide(ctx, c); err != nil && !errors.Is(err, overlay.ErrNoPeers) {
			t.Fatal(err)
		}
		if !pause(ctx, 20*time.Millisecond) {
			t.Fatal("the record does not arrive")
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for _, other := range Overlays() {
		if other == name {
			continue
		}
		n := openRepo(t, repo, other, nil)
		if entries := n.entries(ctx); entries != 0 || kept(n) != 0 || len(n.notices.all()) > 0 {
			t.Errorf("on %s it knows %d nodes and says %v", other, entries, n.notices.all())
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	again := openRepo(t, repo, name, nil)
	if kept(again) == 0 {
		t.Error("no record came back")
	}
	settle(ctx, t, []*Node{again})
}
