package kademlia

import (
	"testing"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
)

const relay = "/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit"

func TestScopeOf(t *testing.T) {
	for addr, want := range map[string]scope{
		"/ip4/127.0.0.1/tcp/1":               scopeLoopback,
		"/ip4/127.9.9.9/udp/1/quic-v1":       scopeLoopback,
		"/ip6/::1/tcp/1":                     scopeLoopback,
		"/ip6/::ffff:127.0.0.1/tcp/1":        scopeLoopback,
		"/dns4/localhost/tcp/1":              scopeLoopback,
		"/memory/7":                          scopeLoopback,
		"/ip4/10.1.2.3/tcp/1":                scopePrivate,
		"/ip4/172.16.0.1/tcp/1":              scopePrivate,
		"/ip4/172.31.255.255/tcp/1":          scopePrivate,
		"/ip4/192.168.0.1/tcp/1":             scopePrivate,
		"/ip4/100.64.0.1/tcp/1":              scopePrivate,
		"/ip4/169.254.1.1/tcp/1":             scopePrivate,
		"/ip6/fd00::1/tcp/1":                 scopePrivate,
		"/ip6/fe80::1/tcp/1":                 scopePrivate,
		"/ip6zone/eth0/ip6/fe80::1/tcp/1":    scopePrivate,
		"/dns4/printer.local/tcp/1":          scopePrivate,
		"/dns4/nas/tcp/1":                    scopePrivate,
		"/ip4/10.1.2.3/tcp/1" + relay:        scopePrivate,
		"/ip4/172.15.0.1/tcp/1":              scopePublic,
		"/ip4/172.32.0.1/tcp/1":              scopePublic,
		"/ip4/8.8.8.8/tcp/1":                 scopePublic,
		"/ip4/8.8.8.8/tcp/1" + relay:         scopePublic,
		"/ip6/2a00:1450::1/tcp/1":            scopePublic,
		"/ip6/64:ff9b::808:808/tcp/1":        scopePublic,
		"/dns4/example.com/tcp/443/wss":      scopePublic,
		"/dnsaddr/bootstrap.example.com":     scopePublic,
		"/ip4/0.0.0.0/tcp/1":                 scopeNone,
		"/ip6/::/tcp/1":                      scopeNone,
		"/ip4/224.0.0.1/udp/1":               scopeNone,
		"/ip4/255.255.255.255/udp/1":         scopeNone,
		"/ip4/192.0.2.1/tcp/1":               scopeNone,
		"/ip4/198.51.100.7/tcp/1":            scopeNone,
		"/ip4/203.0.113.7/tcp/1":             scopeNone,
		"/ip6/2001:db8::1/tcp/1":             scopeNone,
		"/ip6/ff02::1/udp/1":                 scopeNone,
		relay:                                scopeNone,
		"/ip4/127.0.0.1/tcp/1" + relay:       scopeLoopback,
		"/ip6/::ffff:192.168.1.1/tcp/1":      scopePrivate,
		"/dns6/host.sub.internal/tcp/1":      scopePrivate,
		"/dns4/localhost.example.com./tcp/1": scopePublic,
	} {
		if got := scopeOf(ma.StringCast(addr)); got != want {
			t.Errorf("%s: scope %d, want %d", addr, got, want)
		}
	}
	if scopeOf(nil) != scopeNone || scopeOfAsker(nil) != scopePublic {
		t.Error("no address: an asker at an unknown place gets public addresses only")
	}
}

// TestWithin: nobody is handed an address that he cannot reach.
func TestWithin(t *testing.T) {
	c := at("1", 1, "/ip4/127.0.0.1/tcp/1", "/ip4/192.168.1.1/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip4/0.0.0.0/tcp/1", "/ip4/192.168.1.2/tcp/1"+relay)
	for _, x := range []struct {
		asker string
		want  []string
	}{
		{"/ip4/127.0.0.1/tcp/9", []string{"/ip4/127.0.0.1/tcp/1", "/ip4/192.168.1.1/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip4/192.168.1.2/tcp/1" + relay}},
		{"/ip4/10.0.0.1/tcp/9", []string{"/ip4/192.168.1.1/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip4/192.168.1.2/tcp/1" + relay}},
		{"/ip4/9.9.9.9/tcp/9", []string{"/ip4/8.8.8.8/tcp/1"}},
		{"/ip4/9.9.9.9/tcp/9" + relay, []string{"/ip4/8.8.8.8/tcp/1"}},
	} {
		got := contactWithin(c, scopeOfAsker(ma.StringCast(x.asker))).Addrs
		if len(got) != len(x.want) {
			t.Errorf("asker at %s got %v", x.asker, got)
			continue
		}
		for i := range got {
			if got[i].String() != x.want[i] {
				t.Errorf("asker at %s got %v, want %v", x.asker, got, x.want)
			}
		}
	}
	all := at("1", 2, "/ip4/8.8.8.8/tcp/1")
	if contactWithin(all, scopePublic) != all {
		t.Error("a contact that needs no filtering was copied")
	}
}

func TestAudience(t *testing.T) {
	self := at("0", 0, "/ip4/127.0.0.1/tcp/1", "/ip4/192.168.7.1/tcp/1", "/ip4/8.8.8.8/tcp/1").Addrs
	for name, x := range map[string]struct {
		to   *overlay.Contact
		want scope
	}{
		"on this machine":                 {at("1", 1, "/ip4/127.0.0.1/tcp/2"), scopeLoopback},
		"on the LAN":                      {at("1", 1, "/ip4/192.168.7.2/tcp/2"), scopePrivate},
		"on the LAN, and public":          {at("1", 1, "/ip4/192.168.7.2/tcp/2", "/ip4/9.9.9.9/tcp/2"), scopePrivate},
		"on another LAN, and public":      {at("1", 1, "/ip4/192.168.8.2/tcp/2", "/ip4/9.9.9.9/tcp/2"), scopePublic},
		"on another private net, no more": {at("1", 1, "/ip4/10.0.0.2/tcp/2"), scopePrivate},
		"public":                          {at("1", 1, "/ip4/9.9.9.9/tcp/2"), scopePublic},
		"unknown":                         {at("1", 1), scopePublic},
	} {
		if got := audience(self, x.to); got != x.want {
			t.Errorf("%s: scope %d, want %d", name, got, x.want)
		}
	}
}
