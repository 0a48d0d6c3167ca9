package p2p

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const neighbourID = "12D3KooWSkdLxtUwzYZmQrWxKmwtYGDA4Xu4apZvNvQqPkXBKQYf"

func addrsOf(in ...string) (out []ma.Multiaddr) {
	for _, s := range in {
		out = append(out, ma.StringCast(s))
	}
	return out
}

func TestServiceName(t *testing.T) {
	for network, want := range map[string]string{
		"ringswap": "_ringswap._udp",
		"my-net-2": "_my-net-2._udp",
	} {
		if got := serviceName(network); got != want {
			t.Errorf("%s: %s", network, got)
		}
	}
	seen := make(map[string]string)
	for _, network := range []string{"Ringswap", "RINGSWAP", "-x", "x-", "a_b", "a.b", "0day", strings.Repeat("a", 16), strings.Repeat("a", 17)} {
		got := serviceName(network)
		if !plainService.MatchString(strings.TrimSuffix(got[1:], "._udp")) {
			t.Errorf("%s: %s is no service name", network, got)
		}
		if other, dup := seen[got]; dup {
			t.Errorf("%s and %s share %s", network, other, got)
		}
		seen[got] = network
	}
}

func TestAnnouncementRoundTrip(t *testing.T) {
	id, err := peer.Decode(neighbourID)
	if err != nil {
		t.Fatal(err)
	}
	txt := announcement(id, addrsOf(
		"/ip4/127.0.0.1/tcp/4779", "/ip6/::1/tcp/4779", "/ip4/0.0.0.0/tcp/1", "/ip6/fe80::1/tcp/4779",
		"/ip4/8.8.8.8/tcp/4779", "/ip4/192.168.1.7/udp/4779/quic-v1", "/ip4/192.168.1.7/tcp/4779",
		"/ip4/192.168.1.7/udp/4779/quic-v1/webtransport"))
	info, ok := parseAnnouncement(txt)
	if !ok || info.ID != id {
		t.Fatalf("%v, %v", info, ok)
	}
	want := addrsOf("/ip4/192.168.1.7/tcp/4779", "/ip4/8.8.8.8/tcp/4779", "/ip4/192.168.1.7/udp/4779/quic-v1")
	slices.SortFunc(want, ma.Multiaddr.Compare)
	slices.SortFunc(info.Addrs, ma.Multiaddr.Compare)
	if !slices.EqualFunc(info.Addrs, want, ma.Multiaddr.Equal) {
		t.Errorf("announced %v, want %v", info.Addrs, want)
	}

	var many []ma.Multiaddr
	for i := range 100 {
		many = append(many, ma.StringCast(fmt.Sprintf("/ip6/2001:db8:aaaa:bbbb:cccc:dddd:eeee:%x/udp/47790/quic-v1", i)))
	}
	size := 0
	for _, s := range announcement(id, many) {
		size += len(s) + 1
	}
	if size > 1200 {
		t.Errorf("a hundred addresses make TXT records of %d bytes: too large for one frame", size)
	}
	if got := announcement(id, addrsOf("/ip4/127.0.0.1/tcp/1")); len(got) != 1 {
		t.Errorf("a node on loopback alone announces %v", got)
	}
}

func TestAnnouncementRefusals(t *testing.T) {
	const other = "12D3KooWGMYMmN1RGUYjWaSV6P3XtnBjwnosnJGNMnttfVCRnd6g"
	for name, txt := range map[string][]string{
		"nothing":       nil,
		"other strings": {"a=b", "dnsaddr", "dnsaddr="},
		"no peer":       {"dnsaddr=/ip4/192.168.1.7/tcp/1"},
		"two peers":     {"dnsaddr=/ip4/192.168.1.7/tcp/1/p2p/" + neighbourID, "dnsaddr=/ip4/192.168.1.7/tcp/1/p2p/" + other},
		"a name":        {"dnsaddr=/dns4/example.com/tcp/1/p2p/" + neighbourID},
		"a relay":       {"dnsaddr=/ip4/192.168.1.7/tcp/1/p2p/" + other + "/p2p-circuit/p2p/" + neighbourID},
		"multicast":     {"dnsaddr=/ip4/224.0.0.1/tcp/1/p2p/" + neighbourID},
		"unspecified":   {"dnsaddr=/ip4/0.0.0.0/tcp/1/p2p/" + neighbourID},
	} {
		if info, ok := parseAnnouncement(txt); ok {
			t.Errorf("%s: %v", name, info)
		}
	}
}

func FuzzParseAnnouncement(f *testing.F) {
	f.Add("dnsaddr=/ip4/192.168.1.7/tcp/1/p2p/"+neighbourID, "x=y")
	f.Add("dnsaddr=/ip6/::1/udp/1/quic-v1/p2p/"+neighbourID, "dnsaddr=/ip4/1.2.3.4/tcp/1/p2p/"+neighbourID)
	f.Add("dnsaddr=/p2p/"+neighbourID, "dnsaddr=//")
	f.Fuzz(func(t *testing.T, a, b string) {
		info, ok := parseAnnouncement([]string{a, b})
		if !ok {
			return
		}
		if info.ID.Validate() != nil || len(info.Addrs) == 0 {
			t.Fatalf("accepted %v", info)
		}
		for _, addr := range info.Addrs {
			if validateListen(addr) != nil {
				t.Fatalf("accepted the address %s", addr)
			}
		}
	})
}

// The table in virtual time.
func TestNeighbours(t *testing.T) {
	now := time.Unix(1000, 0)
	n := &neighbours{self: "m"}
	up := map[peer.ID]bool{}
	look := func() (dial, come []peer.ID) {
		d, u := n.due(now, func(p peer.ID) bool { return up[p] })
		for _, i := range d {
			dial = append(dial, i.ID)
		}
		for _, i := range u {
			come = append(come, i.ID)
		}
		return dial, come
	}
	expect := func(what string, wantDial, wantUp []peer.ID) {
		t.Helper()
		dial, come := look()
		if !slices.Equal(dial, wantDial) || !slices.Equal(come, wantUp) {
			t.Fatalf("%s: dial %q, up %q; want %q, %q", what, dial, come, wantDial, wantUp)
		}
	}
	at := addrsOf("/ip4/10.0.0.1/tcp/1")

	n.hear(now, peer.AddrInfo{ID: "m", Addrs: at})
	expect("only myself", nil, nil)

	n.hear(now, peer.AddrInfo{ID: "z", Addrs: at})
	expect("the lower ID connects at once", []peer.ID{"z"}, nil)
	expect("while it tries", nil, nil)
	up["z"] = true
	n.tried(now, "z", true)
	expect("it is there", nil, []peer.ID{"z"})
	expect("it is still there", nil, nil)
	if !n.deadline().IsZero() {
		t.Errorf("everyone is connected, but something is due at %v", n.deadline())
	}

	n.hear(now, peer.AddrInfo{ID: "a", Addrs: at})
	expect("the higher ID waits", nil, nil)
	if d := n.deadline().Sub(now); d != lanPolite {
		t.Errorf("next look in %v", d)
	}
	up["a"] = true
	now = now.Add(lanPolite)
	expect("the other one was faster", nil, []peer.ID{"a"})

	// Lost, and found again with growing patience.
	now = now.Add(time.Hour)
	look()
	delete(up, "z")
	expect("lost", []peer.ID{"z"}, nil)
	var waits []time.Duration
	for range 9 {
		n.tried(now, "z", false)
		next := n.deadline()
		waits = append(waits, next.Sub(now))
		now = next
		expect("again", []peer.ID{"z"}, nil)
		n.hear(now, peer.AddrInfo{ID: "z", Addrs: at}) // it still announces itself
	}
	if waits[0] != lanRetryFirst || waits[8] != lanRetryMost || !slices.IsSorted(waits) {
		t.Errorf("waits %v", waits)
	}
	n.tried(now, "z", false)
	n.hear(now, peer.AddrInfo{ID: "z", Addrs: addrsOf("/ip4/10.0.0.2/tcp/1")})
	expect("new addresses are tried at once", []peer.ID{"z"}, nil)
	n.tried(now, "z", false)

	now = now.Add(lanForget + 1)
	expect("silent for too long", nil, nil)
	if len(n.peers) != 1 || n.peers["a"] == nil {
		t.Errorf("remembered: %v", n.peers)
	}
}

// Strangers on the link cannot push out those who can be connected to.
func TestNeighboursAreBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	n := &neighbours{self: "m"}
	none := func(peer.ID) bool { return false }
	good := peer.ID("good")
	n.hear(now, peer.AddrInfo{ID: good})
	n.due(now.Add(time.Minute), none)
	n.tried(now, good, true)
	for i := range 10 * maxNeighbours {
		n.hear(now, peer.AddrInfo{ID: peer.ID(fmt.Sprint("x", i))})
		dial, _ := n.due(now, none)
		for _, d := range dial {
			n.tried(now, d.ID, d.ID == good)
		}
		if len(n.peers) > maxNeighbours {
			t.Fatalf("%d neighbours are remembered", len(n.peers))
		}
	}
	if n.peers[good] == nil {
		t.Error("a good neighbour was pushed out")
	}
}
