package kaddht

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	mh "github.com/multiformats/go-multihash"

	"ringswap/internal/p2p"
	"ringswap/kademlia"
	"ringswap/overlay"
)

// testNetwork is the name of the network that both implementations join.
const testNetwork = "kaddht-test"

var loopback = ma.StringCast("/ip4/127.0.0.1/tcp/0")

// identity is the i-th private key of a test: always the same.
func identity(t testing.TB, i int) crypto.PrivKey {
	t.Helper()
	seed := sha256.Sum256(fmt.Appendf(nil, "identity %d", i))
	key, _, err := crypto.GenerateEd25519Key(rand.NewChaCha8(seed))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// ours is a node of this project: machine, driver, transport and host.
type ours struct {
	*overlay.Driver
	host *p2p.Host
}

// newOurs starts the i-th node. It runs until the test ends.
func newOurs(t testing.TB, i int, client bool) *ours {
	t.Helper()
	h, err := p2p.New(t.Context(), p2p.Config{Identity: identity(t, i), Network: testNetwork, Listen: []ma.Multiaddr{loopback}})
	if err != nil {
		t.Fatal(err)
	}
	transport, err := p2p.NewTransport(h, p2p.TransportConfig{Protocol: h.Protocol("kad/1.0.0"), Client: client})
	if err != nil {
		t.Fatal(err)
	}
	m, err := kademlia.New(kademlia.Config{
		Self: overlay.NewContact(h.ID(), h.Addrs()...), Server: !client, Rand: rand.New(rand.NewPCG(uint64(i), 1)),
	})
	if err != nil {
		t.Fatal(err)
	}
	driver, err := overlay.NewDriver(overlay.DriverConfig{Machine: m, Codec: kademlia.Codec{}, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := driver.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	running.Go(func() {
		err := transport.Watch(ctx, func(ev overlay.Event) { _ = driver.Notify(ctx, ev) }) // fails when ctx ends
		if err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		_ = transport.Close()
		_ = h.Close()
	})
	return &ours{Driver: driver, host: h}
}

// join tells a node of others through which it may enter.
func (n *ours) join(t testing.TB, seeds ...peer.AddrInfo) {
	t.Helper()
	var join overlay.Join
	for _, s := range seeds {
		join.Seeds = append(join.Seeds, overlay.NewContact(s.ID, s.Addrs...))
	}
	if err := n.Notify(t.Context(), join); err != nil {
		t.Fatal(err)
	}
}

// view is the picture of the node's machine.
func (n *ours) view(t testing.TB) (v kademlia.View) {
	t.Helper()
	if err := n.Inspect(t.Context(), func(m overlay.Machine) { v = m.(*kademlia.Machine).View() }); err != nil {
		t.Fatal(err)
	}
	return v
}

// info is what others need to connect to the node.
func (n *ours) info() peer.AddrInfo { return peer.AddrInfo{ID: n.host.ID(), Addrs: n.host.Addrs()} }

// theirs is a node of go-libp2p-kad-dht.
type theirs struct {
	*dht.IpfsDHT
	host host.Host
}

// requestsSeen counts the requests that nodes of go-libp2p-kad-dht received:
// all, and those for one key.
type requestsSeen struct {
	all, ofKey atomic.Int64
	key        atomic.Pointer[string]
}

func (r *requestsSeen) hook(_ context.Context, _ network.Stream, req *pb.Message) {
	r.all.Add(1)
	if key := r.key.Load(); key != nil && string(req.GetKey()) == *key {
		r.ofKey.Add(1)
	}
}

// newTheirs starts the i-th node. It runs until the test ends.
func newTheirs(t testing.TB, i int, mode dht.ModeOpt, seen *requestsSeen, more ...dht.Option) *theirs {
	t.Helper()
	h, err := libp2p.New(libp2p.Identity(identity(t, i)), libp2p.ListenAddrs(loopback),
		libp2p.Transport(tcp.NewTCPTransport), libp2p.DisableMetrics(), libp2p.ResourceManager(&network.NullResourceManager{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	opts := []dht.Option{dht.ProtocolPrefix("/" + testNetwork), dht.Mode(mode)}
	if seen != nil {
		opts = append(opts, dht.OnRequestHook(seen.hook))
	}
	d, err := dht.New(h, append(opts, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return &theirs{IpfsDHT: d, host: h}
}

func (n *theirs) info() peer.AddrInfo { return peer.AddrInfo{ID: n.host.ID(), Addrs: n.host.Addrs()} }

// content is the i-th CID of a test.
func content(t testing.TB, i int) cid.Cid {
	t.Helper()
	sum, err := mh.Sum(fmt.Appendf(nil, "content %d", i), mh.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	return cid.NewCidV1(cid.Raw, sum)
}

// eventually waits until ok, for four minutes at most, which is for machines
// with much else to do. Between real hosts of two makes nothing signals the
// outcome, so it is looked at again and again.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(4 * time.Minute)
	defer limit.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("after four minutes still not: %s", what)
		case <-t.Context().Done():
			t.Fatalf("the test ends, and still not: %s", what)
		}
	}
}
