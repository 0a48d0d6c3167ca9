package p2p

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
)

const (
	tcpLoopback  = "/ip4/127.0.0.1/tcp/0"
	quicLoopback = "/ip4/127.0.0.1/udp/0/quic-v1"
)

func newKey(t testing.TB) crypto.PrivKey {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newHost starts a host that listens on loopback only and looks for no router.
func newHost(t testing.TB, change ...func(*Config)) *Host {
	t.Helper()
	cfg := Config{
		Identity: newKey(t),
		Listen:   []ma.Multiaddr{ma.StringCast(tcpLoopback)},
		Log:      slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&cfg)
	}
	h, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("closing the host: %v", err)
		}
	})
	return h
}

func listenOn(addrs ...string) func(*Config) {
	return func(c *Config) {
		c.Listen = nil
		for _, a := range addrs {
			c.Listen = append(c.Listen, ma.StringCast(a))
		}
	}
}

func contactOf(h *Host) overlay.Contact { return overlay.NewContact(h.ID(), h.Addrs()...) }

func infoOf(h *Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestConfigRefusals(t *testing.T) {
	key := newKey(t)
	for name, c := range map[string]Config{
		"no identity":          {},
		"network with a slash": {Identity: key, Network: "a/b"},
		"network with a space": {Identity: key, Network: "a b"},
		"very long network":    {Identity: key, Network: strings.Repeat("x", maxNetworkName+1)},
		"listen and not":       {Identity: key, NoListen: true, Listen: []ma.Multiaddr{ma.StringCast(tcpLoopback)}},
		"websocket":            {Identity: key, Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0/ws")}},
		"bare UDP":             {Identity: key, Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/udp/0")}},
		"negative timeout":     {Identity: key, DialTimeout: -1},
		"limits that fall":     {Identity: key, Limits: Limits{ConnsLow: 100, ConnsHigh: 50}},
		"a tiny window":        {Identity: key, Limits: Limits{StreamWindow: 1}},
	} {
		if h, err := New(t.Context(), c); err == nil {
			t.Errorf("%s: accepted", name)
			_ = h.Close()
		}
	}
	if err := (Config{Identity: key}).Validate(); err != nil {
		t.Errorf("only an identity: %v", err)
	}
}

func TestConnectOverEachTransport(t *testing.T) {
	for name, addr := range map[string]string{"tcp": tcpLoopback, "quic": quicLoopback, "tcp6": "/ip6/::1/tcp/0"} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(addr, "ip6") && !hasLoopback6() {
				t.Skip("this machine has no IPv6 loopback address")
			}
			a, b := newHost(t, listenOn(addr)), newHost(t, listenOn(addr))
			if err := a.Connect(within(t, 10*time.Second), infoOf(b)); err != nil {
				t.Fatal(err)
			}
			if n := len(a.Network().ConnsToPeer(b.ID())); n != 1 {
				t.Errorf("%d connections, want 1", n)
			}
		})
	}
}

// TLS is what two of our own nodes agree on, and TCP where both are offered.
func TestPrefersTCPWithTLS(t *testing.T) {
	a, b := newHost(t, listenOn(tcpLoopback, quicLoopback)), newHost(t, listenOn(tcpLoopback, quicLoopback))
	for range 5 {
		if err := a.Connect(within(t, 10*time.Second), infoOf(b)); err != nil {
			t.Fatal(err)
		}
		for _, c := range a.Network().ConnsToPeer(b.ID()) {
			s := c.ConnState()
			if s.Transport != "tcp" || s.Security != "/tls/1.0.0" || s.StreamMultiplexer != "/yamux/1.0.0" {
				t.Errorf("connected by %s, %s, %s", s.Transport, s.Security, s.StreamMultiplexer)
			}
		}
		if err := a.Network().ClosePeer(b.ID()); err != nil {
			t.Fatal(err)
		}
	}
}

// A closed host leaves nothing running.
func TestCloseLeavesNoGoroutines(t *testing.T) {
	warm := newHost(t) // what libp2p starts once per process
	_ = warm.Close()
	before := goroutines()
	a := newHost(t, listenOn(tcpLoopback, quicLoopback))
	b := newHost(t, listenOn(tcpLoopback, quicLoopback))
	ta, tb := newTransport(t, a, TransportConfig{}), newTransport(t, b, TransportConfig{})
	tb.Serve(echo)
	if _, err := ta.Call(within(t, 5*time.Second), contactOf(b), []byte("x")); err != nil {
		t.Fatal(err)
	}
	_, _, _, _ = ta.Close(), tb.Close(), a.Close(), b.Close()
	deadline := time.Now().Add(5 * time.Second)
	for {
		after := goroutines()
		var left []string
		for g, n := range after {
			if n > before[g] {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still running:\n%s", strings.Join(left, "\n\n"))
		}
		runtime.Gosched()
	}
}

// goroutines counts running goroutines by where they were started.
func goroutines() map[string]int {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	count := make(map[string]int)
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if _, by, ok := strings.Cut(g, "created by "); ok {
			by, _, _ = strings.Cut(by, " in goroutine")
			count[by]++
		}
	}
	return count
}

func hasLoopback6() bool {
	c, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
