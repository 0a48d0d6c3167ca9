package p2p

import (
	"slices"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"
)

func TestRankDials(t *testing.T) {
	const relay = "/ip4/1.1.1.1/tcp/1/p2p/12D3KooWSkdLxtUwzYZmQrWxKmwtYGDA4Xu4apZvNvQqPkXBKQYf/p2p-circuit"
	ms := time.Millisecond
	for name, tc := range map[string]struct {
		in   []string
		want map[string]time.Duration
	}{
		"nothing": {},
		"LAN, both transports": {
			[]string{"/ip4/192.168.1.2/udp/4/quic-v1", "/ip4/192.168.1.2/tcp/4"},
			map[string]time.Duration{"/ip4/192.168.1.2/tcp/4": 0, "/ip4/192.168.1.2/udp/4/quic-v1": 200 * ms},
		},
		"QUIC alone starts at once": {
			[]string{"/ip4/8.8.8.8/udp/4/quic-v1"},
			map[string]time.Duration{"/ip4/8.8.8.8/udp/4/quic-v1": 0},
		},
		"loopback before the LAN": {
			[]string{"/ip4/10.0.0.1/tcp/4", "/ip4/127.0.0.1/tcp/4"},
			map[string]time.Duration{"/ip4/127.0.0.1/tcp/4": 0, "/ip4/10.0.0.1/tcp/4": 30 * ms},
		},
		"public, happy eyeballs": {
			[]string{"/ip4/8.8.8.8/tcp/4", "/ip6/2606:4700::1/tcp/4", "/ip6/2606:4700::2/tcp/4", "/ip4/8.8.8.8/udp/4/quic-v1", "/ip6/2606:4700::1/udp/4/quic-v1"},
			map[string]time.Duration{
				"/ip6/2606:4700::1/tcp/4": 0, "/ip4/8.8.8.8/tcp/4": 250 * ms, "/ip6/2606:4700::2/tcp/4": 500 * ms,
				"/ip6/2606:4700::1/udp/4/quic-v1": 750 * ms, "/ip4/8.8.8.8/udp/4/quic-v1": 1000 * ms,
			},
		},
		"private and public side by side, relay last": {
			[]string{relay, "/ip4/8.8.8.8/tcp/4", "/ip4/192.168.1.2/tcp/4"},
			map[string]time.Duration{"/ip4/8.8.8.8/tcp/4": 0, "/ip4/192.168.1.2/tcp/4": 0, relay: 500 * ms},
		},
		"relay alone": {[]string{relay}, map[string]time.Duration{relay: 0}},
	} {
		var in []ma.Multiaddr
		for _, a := range tc.in {
			in = append(in, ma.StringCast(a))
		}
		for range 20 { // in any order of the input
			slices.Reverse(in)
			got := make(map[string]time.Duration)
			for _, d := range rankDials(slices.Clone(in)) {
				got[d.Addr.String()] = d.Delay
			}
			if len(got) != len(tc.want) {
				t.Fatalf("%s: %v", name, got)
			}
			for a, d := range tc.want {
				if got[a] != d {
					t.Errorf("%s: %s after %v, want %v", name, a, got[a], d)
				}
			}
			if len(in) > 2 {
				in = append(in[1:], in[0])
			}
		}
	}
}
