package nat

import (
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

func addrs(in ...string) (out []ma.Multiaddr) {
	for _, s := range in {
		out = append(out, ma.StringCast(s))
	}
	return out
}

func TestJudge(t *testing.T) {
	const relayed = "/ip4/9.9.9.9/tcp/4779/p2p/12D3KooWSkdLxtUwzYZmQrWxKmwtYGDA4Xu4apZvNvQqPkXBKQYf/p2p-circuit"
	lan := addrs("/ip4/192.168.1.7/tcp/4779")
	public := addrs("/ip4/1.2.3.4/tcp/4779", "/ip4/1.2.3.4/udp/4779/quic-v1")
	for name, tc := range map[string]struct {
		in    Observations
		state State
		addrs int
		says  []string
	}{
		"just started": {
			Observations{Listening: lan},
			Local, 0,
			[]string{"No node outside the local network"},
		},
		"alone on one machine": {
			Observations{Listening: addrs("/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1")},
			Local, 0,
			[]string{"No node outside", "this machine only"},
		},
		"does not listen": {
			Observations{PublicPeers: 3},
			Unknown, 0,
			[]string{"has tested yet", "does not listen"},
		},
		"connected outside, not tested": {
			Observations{Listening: lan, PublicPeers: 1, Untested: public},
			Unknown, 0,
			[]string{"has tested yet"},
		},
		"a public server": {
			Observations{Listening: public, Reachable: public, PublicPeers: 9},
			Public, 2,
			[]string{"connected to 1.2.3.4:4779 (TCP), 1.2.3.4:4779 (UDP)"},
		},
		"one address works, another does not": {
			Observations{Listening: lan, Reachable: public[1:], Unreachable: public[:1], PublicPeers: 9},
			Public, 1,
			[]string{"1.2.3.4:4779 (UDP)"},
		},
		"tested once, peers gone since": {
			Observations{Listening: lan, Reachable: public[:1]},
			Public, 1,
			[]string{"connected to"},
		},
		"behind a router that maps": {
			Observations{Listening: lan, RouterFound: true, Mapped: public[:1], Reachable: public[:1], PublicPeers: 2},
			Public, 1,
			[]string{"connected to", "The router forwards 1.2.3.4:4779 (TCP)"},
		},
		"mapped, not tested": {
			Observations{Listening: lan, RouterFound: true, Mapped: public[:1], PublicPeers: 2},
			Unknown, 0,
			[]string{"has tested yet", "The router forwards 1.2.3.4:4779 (TCP)"},
		},
		"behind a second router": {
			Observations{Listening: lan, RouterFound: true, Mapped: addrs("/ip4/100.64.1.2/tcp/4779"), Unreachable: public[:1], PublicPeers: 2},
			Private, 0,
			[]string{"could not connect to 1.2.3.4:4779", "not a public address"},
		},
		"behind a router that does not map": {
			Observations{Listening: lan, RouterFound: true, Unreachable: public, PublicPeers: 2},
			Private, 0,
			[]string{"could not connect", "forwards none"},
		},
		"behind a router, nothing tested by address": {
			Observations{Listening: lan, Ambient: network.ReachabilityPrivate, PublicPeers: 2},
			Private, 0,
			[]string{"could not connect to this one"},
		},
		"firewall on the machine itself": {
			Observations{Listening: public, Unreachable: public, PublicPeers: 2},
			Private, 0,
			[]string{"a firewall", "itself has the public address 1.2.3.4:4779"},
		},
		"the old test says public": {
			Observations{Listening: lan, Ambient: network.ReachabilityPublic, PublicPeers: 2},
			Public, 0,
			[]string{"when it asked them to"},
		},
		"tested addresses outweigh the old test": {
			Observations{Listening: lan, Ambient: network.ReachabilityPrivate, Reachable: public[:1], PublicPeers: 2}, Public, 1, nil,
		},
		"relayed": {
			Observations{Listening: lan, Unreachable: public[:1], Relays: addrs(relayed), PublicPeers: 2},
			Relayed, 1,
			[]string{"could not connect", "A relay stands in"},
		},
		"a relay that is not needed": {
			Observations{Listening: lan, Reachable: public[:1], Relays: addrs(relayed), PublicPeers: 2}, Public, 1, nil,
		},
		"many addresses": {
			Observations{Reachable: addrs("/ip4/1.1.1.1/tcp/1", "/ip4/1.1.1.1/tcp/2", "/ip4/1.1.1.1/tcp/3", "/ip4/1.1.1.1/tcp/4", "/ip4/1.1.1.1/tcp/5")},
			Public, 5,
			[]string{"and 2 more"},
		},
	} {
		v := Judge(tc.in)
		if v.State != tc.state || len(v.Addrs) != tc.addrs {
			t.Errorf("%s: %s with %d addresses, want %s with %d", name, v.State, len(v.Addrs), tc.state, tc.addrs)
		}
		all := strings.Join(v.Reasons, "\n")
		for _, want := range tc.says {
			if !strings.Contains(all, want) {
				t.Errorf("%s: the reasons do not say %q:\n%s", name, want, all)
			}
		}
		if len(v.Reasons) == 0 {
			t.Errorf("%s: no reason given", name)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	source := PeerSource(nil)
	for name, tc := range map[string]struct {
		c  Config
		ok bool
	}{
		"nothing":                {Config{}, true},
		"defaults":               {DefaultConfig(), true},
		"punching without relay": {Config{HolePunch: true}, false},
		"negative relays":        {Config{Relay: true, RelaySource: source, RelayCount: -1}, false},
	} {
		if err := tc.c.Validate(); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
