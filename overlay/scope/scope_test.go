package scope

import (
	"slices"
	"testing"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// contact makes a contact with the given addresses.
func contact(n int, addrs ...string) *overlay.Contact {
	c := overlay.NewContact(overlaytest.PeerID(n))
	for _, a := range addrs {
		c.Addrs = append(c.Addrs, ma.StringCast(a))
	}
	return &c
}

const relay = "/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit"

func TestScopeOf(t *testing.T) {
	for addr, want := range map[string]Scope{
		"/ip4/127.0.0.1/tcp/1":               Loopback,
		"/ip4/127.9.9.9/udp/1/quic-v1":       Loopback,
		"/ip6/::1/tcp/1":                     Loopback,
		"/ip6/::ffff:127.0.0.1/tcp/1":        Loopback,
		"/dns4/localhost/tcp/1":              Loopback,
		"/memory/7":                          Loopback,
		"/ip4/10.1.2.3/tcp/1":                Private,
		"/ip4/172.16.0.1/tcp/1":              Private,
		"/ip4/172.31.255.255/tcp/1":          Private,
		"/ip4/192.168.0.1/tcp/1":             Private,
		"/ip4/100.64.0.1/tcp/1":              Private,
		"/ip4/169.254.1.1/tcp/1":             Private,
		"/ip6/fd00::1/tcp/1":                 Private,
		"/ip6/fe80::1/tcp/1":                 Private,
		"/ip6zone/eth0/ip6/fe80::1/tcp/1":    Private,
		"/dns4/printer.local/tcp/1":          Private,
		"/dns4/nas/tcp/1":                    Private,
		"/ip4/10.1.2.3/tcp/1" + relay:        Private,
		"/ip4/172.15.0.1/tcp/1":              Public,
		"/ip4/172.32.0.1/tcp/1":              Public,
		"/ip4/8.8.8.8/tcp/1":                 Public,
		"/ip4/8.8.8.8/tcp/1" + relay:         Public,
		"/ip6/2a00:1450::1/tcp/1":            Public,
		"/ip6/64:ff9b::808:808/tcp/1":        Public,
		"/dns4/example.com/tcp/443/wss":      Public,
		"/dnsaddr/bootstrap.example.com":     Public,
		"/ip4/0.0.0.0/tcp/1":                 None,
		"/ip6/::/tcp/1":                      None,
		"/ip4/224.0.0.1/udp/1":               None,
		"/ip4/255.255.255.255/udp/1":         None,
		"/ip4/192.0.2.1/tcp/1":               None,
		"/ip4/198.51.100.7/tcp/1":            None,
		"/ip4/203.0.113.7/tcp/1":             None,
		"/ip6/2001:db8::1/tcp/1":             None,
		"/ip6/ff02::1/udp/1":                 None,
		relay:                                None,
		"/ip4/127.0.0.1/tcp/1" + relay:       Loopback,
		"/ip6/::ffff:192.168.1.1/tcp/1":      Private,
		"/dns6/host.sub.internal/tcp/1":      Private,
		"/dns4/localhost.example.com./tcp/1": Public,
	} {
		if got := Of(ma.StringCast(addr)); got != want {
			t.Errorf("%s: scope %d, want %d", addr, got, want)
		}
	}
	if Of(nil) != None || OfAsker(nil) != Public {
		t.Error("no address: an asker at an unknown place gets public addresses only")
	}
}

// TestWithin: nobody is handed an address that he cannot reach.
func TestWithin(t *testing.T) {
	c := contact(1, "/ip4/127.0.0.1/tcp/1", "/ip4/192.168.1.1/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip4/0.0.0.0/tcp/1", "/ip4/192.168.1.2/tcp/1"+relay)
	for _, x := range []struct {
		asker string
		want  []string
	}{
		{"/ip4/127.0.0.1/tcp/9", []string{"/ip4/127.0.0.1/tcp/1", "/ip4/192.168.1.1/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip4/192.168.1.2/tcp/1" + relay}},
		{"/ip4/10.0.0.1/tcp/9", []string{"/ip4/192.168.1.1/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip4/192.168.1.2/tcp/1" + relay}},
		{"/ip4/9.9.9.9/tcp/9", []string{"/ip4/8.8.8.8/tcp/1"}},
		{"/ip4/9.9.9.9/tcp/9" + relay, []string{"/ip4/8.8.8.8/tcp/1"}},
	} {
		got := ContactWithin(c, OfAsker(ma.StringCast(x.asker))).Addrs
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
	all := contact(2, "/ip4/8.8.8.8/tcp/1")
	if ContactWithin(all, Public) != all {
		t.Error("a contact that needs no filtering was copied")
	}
}

// TestSet: what a set says of addresses is what looking at them says.
func TestSet(t *testing.T) {
	addrs := []string{"/ip4/127.0.0.1/tcp/1", "/ip4/192.168.1.1/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip4/0.0.0.0/tcp/1"}
	crowd := make([]string, overlay.MaxAddrs+1)
	for i := range crowd {
		crowd[i] = "/ip4/8.8.8.8/tcp/1"
	}
	cases := []*overlay.Contact{contact(1, crowd...), contact(1, crowd[1:]...)}
	for which := range 1 << len(addrs) {
		var some []string
		for i, a := range addrs {
			if which>>i&1 == 1 {
				some = append(some, a)
			}
		}
		cases = append(cases, contact(1, some...))
	}
	for _, c := range cases {
		set := SetOf(c.Addrs)
		if (set == 0) != (len(c.Addrs) == 0) {
			t.Errorf("the set of %v is %b", c.Addrs, set)
		}
		for _, from := range []Scope{Loopback, Private, Public} {
			if set.Reachable(from) != Reachable(c, from) {
				t.Errorf("%v from %d: reachable %v", c.Addrs, from, set.Reachable(from))
			}
			if set.Within(from) != (ContactWithin(c, from) == c) {
				t.Errorf("%v from %d: within %v", c.Addrs, from, set.Within(from))
			}
		}
	}
}

func TestAudience(t *testing.T) {
	self := contact(0, "/ip4/127.0.0.1/tcp/1", "/ip4/192.168.7.1/tcp/1", "/ip4/8.8.8.8/tcp/1").Addrs
	for name, x := range map[string]struct {
		to   *overlay.Contact
		want Scope
	}{
		"on this machine":                 {contact(1, "/ip4/127.0.0.1/tcp/2"), Loopback},
		"on the LAN":                      {contact(1, "/ip4/192.168.7.2/tcp/2"), Private},
		"on the LAN, and public":          {contact(1, "/ip4/192.168.7.2/tcp/2", "/ip4/9.9.9.9/tcp/2"), Private},
		"on another LAN, and public":      {contact(1, "/ip4/192.168.8.2/tcp/2", "/ip4/9.9.9.9/tcp/2"), Public},
		"on another private net, no more": {contact(1, "/ip4/10.0.0.2/tcp/2"), Private},
		"public":                          {contact(1, "/ip4/9.9.9.9/tcp/2"), Public},
		"unknown":                         {contact(1), Public},
	} {
		if got := Audience(self, x.to); got != x.want {
			t.Errorf("%s: scope %d, want %d", name, got, x.want)
		}
	}
}

// TestGroups: one block of public addresses is one group; private addresses and
// those through a relay are in none.
func TestGroups(t *testing.T) {
	for name, x := range map[string]struct {
		addrs []string
		want  []Group
	}{
		"none":      {nil, nil},
		"private":   {[]string{"/ip4/192.168.1.1/tcp/1", "/ip4/127.0.0.1/tcp/1", "/ip6/fd00::1/tcp/1"}, nil},
		"by a name": {[]string{"/dns4/example.com/tcp/1"}, nil},
		"relayed":   {[]string{"/ip4/8.8.8.8/tcp/1" + relay}, nil},
		"one block": {[]string{"/ip4/8.8.8.8/tcp/1", "/ip4/8.8.1.1/udp/1/quic-v1"}, []Group{{prefix: 0x0808}}},
		"two blocks": {
			[]string{"/ip4/8.8.8.8/tcp/1", "/ip4/8.9.8.8/tcp/1", "/ip6/2a00:1450::1/tcp/1", "/ip6/2a00:1450:1::1/tcp/1"},
			[]Group{{prefix: 0x0808}, {prefix: 0x0809}, {v6: true, prefix: 0x2a001450}},
		},
	} {
		if got := Groups(nil, contact(1, x.addrs...)); !slices.Equal(got, x.want) {
			t.Errorf("%s: %v, want %v", name, got, x.want)
		}
	}
}
