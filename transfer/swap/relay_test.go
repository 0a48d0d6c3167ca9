package swap_test

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/swaptest"
)

// TestThroughARelay fetches more than a relay lets through in one connection:
// it is cut off again and again, and what came is kept each time.
func TestThroughARelay(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(1, 2, 300<<10)
	ctx := swaptest.Context(t, time.Minute)
	newHost := func(opts ...libp2p.Option) host.Host {
		h, err := libp2p.New(append(opts, libp2p.DisableMetrics())...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		return h
	}
	limits := relay.DefaultResources()
	limits.Limit.Data = 160 << 10 // bytes each way
	middle := newHost(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.EnableRelayService(relay.WithResources(limits)), libp2p.ForceReachabilityPublic())
	holder := newHost(libp2p.NoListenAddrs, libp2p.EnableRelay())
	getter := newHost(libp2p.NoListenAddrs, libp2p.EnableRelay())
	srv, err := swap.NewServer(holder, swaptest.Seed(f), swap.ServerConfig{Network: swaptest.Network})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	if _, err := client.Reserve(ctx, holder, swaptest.Info(middle)); err != nil {
		t.Fatal(err)
	}
	via, err := ma.NewMultiaddr(middle.Addrs()[0].String() + "/p2p/" + middle.ID().String() + "/p2p-circuit")
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, getter, f.Root, swap.SessionConfig{Backoff: 50 * time.Millisecond})
	s.AddPeer(peer.AddrInfo{ID: holder.ID(), Addrs: []ma.Multiaddr{via}}, "relay")
	swaptest.Collect(ctx, t, s, f, swap.Rarest)
	st := s.Peers()[0]
	if !st.Relayed {
		t.Errorf("%+v", st)
	}
	if st.Received > 2*f.Bytes() {
		t.Errorf("%d bytes came for %d", st.Received, f.Bytes())
	}
	t.Logf("%d bytes came for %d", st.Received, f.Bytes())
}
