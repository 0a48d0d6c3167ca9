package node

import (
	"context"
	"fmt"
	"io"
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
	manet "github.com/multiformats/go-multiaddr/net"

	"ringswap/overlay/overlaytest"
	"ringswap/transfer/swap"
)

// slowSeed shares a file of 6 MiB and gives it until it is let go so slowly that
// nobody has it before the test ends.
func slowSeed(ctx context.Context, t *testing.T) (seed *Node, shared Shared, letGo func()) {
	t.Helper()
	seed = openTest(t, OverlayKademlia, nil)
	if _, err := seed.Settings(ctx, SettingsChange{LimitUp: ptr[int64](32 << 10)}); err != nil {
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
		meets(ctx, t, n, shared, nodes[1-i])
	}
	letGo()
	both.Wait()
}

// meets waits until n is connected to other in a swarm, of which it heard there.
func meets(ctx context.Context, t *testing.T, n *Node, shared Shared, other *Node) {
	t.Helper()
	id := other.net.host.ID().String()
	var sw Swarm
	for {
		now, err := n.Swarm(ctx, SwarmRequest{Ref: shared.Cid})
		if err == nil {
			sw = now
		}
		if err == nil && slices.ContainsFunc(sw.Peers, func(p SwarmPeer) bool {
			return p.ID == id && p.State == swap.PeerConnected.String() && p.Source == sourceSwarm
		}) {
			return
		}
		if !pause(ctx, 20*time.Millisecond) {
			t.Fatalf("it does not meet %s, but %+v", id, sw.Peers)
		}
	}
}

// A member that cannot be reached at first, for whatever reason, is met all the same.
func TestMemberOutOfReachAtFirst(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	seed, shared, letGo := slowSeed(ctx, t)
	getter, other := openTest(t, OverlayKademlia, seed), openTest(t, OverlayKademlia, nil)
	at, attempts := slammedDoor(t, other)
	got := tales{{ID: other.net.host.ID(), Addrs: []ma.Multiaddr{at}}}.tell(ctx, t, getter, shared)
	meets(ctx, t, getter, shared, other)
	if n := attempts(); n < 2 {
		t.Errorf("met at attempt %d, though the first one fails", n)
	}
	letGo()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// slammedDoor is a way to a node that fails the first who takes it, until the test
// ends; attempts counts them all.
func slammedDoor(t *testing.T, to *Node) (at ma.Multiaddr, attempts func() int64) {
	t.Helper()
	door, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, behind, err := manet.DialArgs(to.net.host.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var count atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := door.Accept()
			if err != nil {
				return
			}
			if count.Add(1) == 1 {
				_ = c.Close()
				continue
			}
			all.Go(func() { passOn(ctx, c, behind) })
		}
	})
	t.Cleanup(func() {
		stop()
		_ = door.Close()
		all.Wait()
	})
	return ma.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", door.Addr().(*net.TCPAddr).Port)), count.Load
}

// passOn copies between c and a connection to an address until either, or ctx, ends.
func passOn(ctx context.Context, c net.Conn, addr string) {
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	d, err := net.Dial("tcp4", addr)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(c, d)
		_ = c.Close()
	})
	_, _ = io.Copy(d, c)
	_ = d.Close()
	back.Wait()
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

// tell makes getter get what is shared, and a member of the swarm, until the test
// ends, tell it the tales. The result of the get is sent on the channel.
func (x tales) tell(ctx context.Context, t *testing.T, getter *Node, shared Shared) <-chan error {
	t.Helper()
	teller := openTest(t, OverlayKademlia, nil)
	root, err := cid.Decode(shared.Cid)
	if err != nil {
		t.Fatal(err)
	}
	s, err := swap.NewSession(teller.net.host, root, swap.SessionConfig{Network: "node-test", Gossip: x})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.AddPeer(peer.AddrInfo{ID: getter.net.host.ID(), Addrs: getter.net.host.Addrs()}, "")
	got := make(chan error, 1)
	path := filepath.Join(t.TempDir(), "out")
	go func() {
		_, err := getter.Get(ctx, GetRequest{Ref: shared.Link, Path: path}, nil)
		got <- err
	}()
	return got
}

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
	getter := openTest(t, OverlayKademlia, seed)
	var named tales
	at := ma.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", victim.Addr().(*net.TCPAddr).Port))
	for i := range 32 {
		named = append(named, peer.AddrInfo{ID: overlaytest.PeerID(i), Addrs: []ma.Multiaddr{at}})
	}
	got := named.tell(ctx, t, getter, shared)
	for knocks.Load() == 0 {
		if !pause(ctx, 20*time.Millisecond) {
			t.Fatal("it tries none of those who are named")
		}
	}
	letGo()
	if err := <-got; err != nil {
		t.Error(err)
	}
	_ = victim.Close()
	<-listening
	if n := knocks.Load(); n > 64 {
		t.Errorf("it knocked %d times at a door that %d names led to", n, len(named))
	}
}

// A member that a transfer has given up, and that is still here, is tried anew once a
// minute; one that is known otherwise is left to the transfer.
func TestGivenUpMemberIsTriedAnew(t *testing.T) {
	f := follower{again: make(map[peer.ID]time.Time)}
	begin := time.Now()
	at := func(d time.Duration, s swap.PeerStatus) bool {
		return f.wants(begin.Add(d), "member", []swap.PeerStats{{ID: "member", Status: s}})
	}
	if !f.wants(begin, "member", nil) {
		t.Error("one that is not known is not wanted")
	}
	for i, step := range []struct {
		at     time.Duration
		status swap.PeerStatus
		want   bool
	}{
		{0, swap.PeerConnected, false},
		{0, swap.PeerWaiting, false},
		{0, swap.PeerBanned, false},
		{time.Second, swap.PeerFailed, false},
		{tryAnew, swap.PeerFailed, false},
		{tryAnew + 2*time.Second, swap.PeerFailed, true},
		{tryAnew + 3*time.Second, swap.PeerFailed, false},
		{2 * tryAnew, swap.PeerQueued, false}, // tried
		{3 * tryAnew, swap.PeerFailed, false}, // in vain
		{4*tryAnew + time.Second, swap.PeerFailed, true},
	} {
		if got := at(step.at, step.status); got != step.want {
			t.Errorf("step %d: %s after %v: wanted is %v", i, step.status, step.at, got)
		}
	}
}
