package p2p

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/nat"
	"ringswap/overlay"
)

// Overlay messages are small enough for a relay, and leave it for a direct
// connection as soon as there is one.
func TestCallThroughARelay(t *testing.T) {
	relay, err := libp2p.New(libp2p.ListenAddrStrings(tcpLoopback), libp2p.DisableMetrics(),
		libp2p.EnableRelayService(), libp2p.ForceReachabilityPublic())
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	relayed := func(c *Config) { c.NAT = nat.Config{Relay: true} }
	a, b := newHost(t, relayed), newHost(t, relayed)
	at := peer.AddrInfo{ID: relay.ID(), Addrs: relay.Addrs()}
	ctx := within(t, 20*time.Second)
	for _, h := range []*Host{a, b} {
		if err := h.Connect(ctx, at); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool {
		_, err := client.Reserve(ctx, b, at)
		return err == nil
	}, "the relay grants no reservation")

	ta, tb := newTransport(t, a, TransportConfig{}), newTransport(t, b, TransportConfig{})
	tb.Serve(echo)
	circuit := relay.Addrs()[0].Encapsulate(ma.StringCast("/p2p/" + relay.ID().String() + "/p2p-circuit"))
	call := func() {
		t.Helper()
		got, err := ta.Call(ctx, overlay.NewContact(b.ID(), circuit), make([]byte, 10_000))
		if err != nil || len(got) != 10_000 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	used := func() (limited []bool) {
		for _, c := range a.Network().ConnsToPeer(b.ID()) {
			for _, s := range c.GetStreams() {
				if s.Protocol() == testProtocol {
					limited = append(limited, c.Stat().Limited)
				}
			}
		}
		return limited
	}
	call()
	if u := used(); len(u) != 1 || !u[0] {
		t.Fatalf("streams over a relay: %v", u)
	}
	var shown bool
	for _, c := range a.Conns() {
		shown = shown || c.Peer == b.ID() && c.Relayed
	}
	if !shown {
		t.Errorf("the relayed connection is not shown as such: %+v", a.Conns())
	}
	if err := a.Connect(network.WithForceDirectDial(ctx, "test"), infoOf(b)); err != nil {
		t.Fatal(err)
	}
	call()
	if u := used(); len(u) != 1 || u[0] {
		t.Errorf("streams after a direct connection was made: limited %v", u)
	}
}

// Everything that helps reachability is there when it is switched on.
func TestReachabilityServicesAreOn(t *testing.T) {
	b := newHost(t, func(c *Config) { c.NAT = nat.DefaultConfig() })
	have := make(map[string]bool)
	for _, p := range b.Mux().Protocols() {
		have[string(p)] = true
	}
	for _, want := range []string{
		"/libp2p/autonat/2/dial-request", "/libp2p/autonat/2/dial-back",
		"/libp2p/circuit/relay/0.2.0/stop", "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0",
	} {
		if !have[want] {
			t.Errorf("%s is missing in %v", want, have)
		}
	}
	if have["/libp2p/circuit/relay/0.2.0/hop"] {
		t.Error("the node relays for others unasked")
	}
}
