package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay/overlaytest"
	"ringswap/transfer/swap"
)

// slowSeed shares a file of 6 MiB and gives it slowly until it is let go.
func slowSeed(ctx context.Context, t *testing.T) (seed *Node, shared Shared, letGo func()) {
	t.Helper()
	seed = openTest(t, OverlayKademlia, nil)
	if _, err := seed.Settings(ctx, SettingsChange{LimitUp: ptr[int64](128 << 10)}); err != nil {
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
	return seed, shared, func() {
		if _, err := seed.Settings(ctx, SettingsChange{LimitUp: ptr[int64](0)}); err != nil {
			t.Error(err)
		}
	}
}

// Two nodes that announce nothing and know only of the seed hear of each other
// from it.
func TestMembersHearOfEachOther(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	_, shared, letGo := slowSeed(ctx, t)
	var nodes [2]*Node
	for i := range nodes {
		var err error
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
	for _, n := range nodes {
		both.Go(func() {
			if _, err := n.Get(ctx, GetRequest{Ref: shared.Link, Path: filepath.Join(t.TempDir(), "out")}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	for i, n := range nodes {
		other := nodes[1-i].net.host.ID().String()
		var sw Swarm
		for met := false; !met; {
			if !pause(ctx, 20*time.Millisecond) {
				t.Fatalf("node %d does not meet the other, but %+v", i, sw.Peers)
			}
			now, err := n.Swarm(ctx, SwarmRequest{Ref: shared.Cid})
			if err == nil {
				sw = now
			}
			met = err == nil && slices.ContainsFunc(sw.Peers, func(p SwarmPeer) bool {
				return p.ID == other && p.State == swap.PeerConnected.String() && p.Source == sourceSwarm
			})
		}
	}
	letGo()
	both.Wait()
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

// tales is a gossip that names nodes which are not there.
type tales []peer.AddrInfo

func (tales) Heard(cid.Cid, peer.ID, []peer.AddrInfo)         {}
func (x tales) Tell(cid.Cid, peer.ID) (named []peer.AddrInfo) { return x }

// A member that names others who are not there makes this node knock at few doors,
// and costs its transfer nothing.
func TestTalesOfMembers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	victim, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var knocks atomic.Int64
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		for {
			c, err := victim.Accept()
			if err != nil {
				return
			}
			knocks.Add(1)
			_ = c.Close()
		}
	}()
	seed, shared, letGo := slowSeed(ctx, t)
	getter, liar := openTest(t, OverlayKademlia, seed), openTest(t, OverlayKademlia, seed)
	var named tales
	at := ma.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", victim.Addr().(*net.TCPAddr).Port))
	for i := range 32 {
		named = append(named, peer.AddrInfo{ID: overlaytest.PeerID(i), Addrs: []ma.Multiaddr{at}})
	}
	root, err := cid.Decode(shared.Cid)
	if err != nil {
		t.Fatal(err)
	}
	s, err := swap.NewSession(liar.net.host, root, swap.SessionConfig{Network: "node-test", Gossip: named})
	if err != nil {
		t.Fatal(err)
	}
	s.AddPeer(peer.AddrInfo{ID: getter.net.host.ID(), Addrs: getter.net.host.Addrs()}, "")
	got := make(chan error, 1)
	go func() {
		_, err := getter.Get(ctx, GetRequest{Ref: shared.Cid, Path: filepath.Join(t.TempDir(), "out")}, nil)
		got <- err
	}()
	for knocks.Load() == 0 {
		if !pause(ctx, 20*time.Millisecond) {
			t.Fatal("it tries none of those who are named")
		}
	}
	letGo()
	if err := <-got; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_ = victim.Close()
	<-listening
	if n := knocks.Load(); n > 64 {
		t.Errorf("it knocked %d times at a door that %d names led to", n, len(named))
	}
}
