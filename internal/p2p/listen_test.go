package p2p

import (
	"errors"
	"net"
	"testing"

	ma "github.com/multiformats/go-multiaddr"
)

// Two nodes on one machine get a port number each, the same for TCP and QUIC.
func TestDefaultPorts(t *testing.T) {
	everywhere := func(c *Config) { c.Listen = nil }
	ports := make(map[string]bool)
	for range 3 {
		h := newHost(t, everywhere)
		own := make(map[string]int)
		for _, a := range h.Network().ListenAddresses() {
			for _, code := range []int{ma.P_TCP, ma.P_UDP} {
				if p, err := a.ValueForProtocol(code); err == nil {
					own[p]++
				}
			}
		}
		if len(own) != 1 {
			t.Fatalf("listening at %v", h.Network().ListenAddresses())
		}
		for p, n := range own {
			if n != 2 && n != 4 {
				t.Errorf("%d sockets at port %s", n, p)
			}
			if ports[p] {
				t.Errorf("port %s twice", p)
			}
			ports[p] = true
		}
	}
}

func TestPortTakenIsAnError(t *testing.T) {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	other := newHost(t, listenOn(tcpLoopback, quicLoopback))
	taken := other.Network().ListenAddresses()
	foreign, err := ma.NewMultiaddr("/ip4/127.0.0.1/tcp/" + port(tcp.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range append(taken, foreign) {
		h, err := New(t.Context(), Config{Identity: newKey(t), Listen: []ma.Multiaddr{ma.StringCast(tcpLoopback), a}})
		if !errors.Is(err, ErrListen) {
			t.Errorf("%s, which is taken: %v", a, err)
			_ = h.Close()
		}
	}
}

func port(a net.Addr) string {
	_, p, _ := net.SplitHostPort(a.String())
	return p
}
