package kademlia

import (
	"bytes"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
)

// scope says from how far away an address can be reached. A wider scope is a
// greater number.
type scope uint8

const (
	scopeNone     scope = iota // unusable: unspecified, multicast, documentation, malformed
	scopeLoopback              // this machine
	scopePrivate               // this network
	scopePublic                // anywhere
)

// block is a range of IP addresses.
type block struct {
	prefix []byte
	bits   int
	scope  scope
}

// The special ranges of the IANA registries that matter to reachability; the
// first match counts. Everything else in IPv4 is public.
var blocks4 = []block{
	{[]byte{127}, 8, scopeLoopback},
	{[]byte{10}, 8, scopePrivate},
	{[]byte{172, 16}, 12, scopePrivate},
	{[]byte{192, 168}, 16, scopePrivate},
	{[]byte{100, 64}, 10, scopePrivate},  // shared by carriers and VPNs (RFC 6598)
	{[]byte{169, 254}, 16, scopePrivate}, // link-local
	{[]byte{0}, 8, scopeNone},
	{[]byte{192, 0, 2}, 24, scopeNone}, // documentation, RFC 5737
	{[]byte{198, 51, 100}, 24, scopeNone},
	{[]byte{203, 0, 113}, 24, scopeNone},
	{[]byte{224}, 3, scopeNone}, // multicast, reserved, broadcast
}

var blocks6 = []block{
	{append(make([]byte, 15), 1), 128, scopeLoopback},
	{[]byte{0xfc}, 7, scopePrivate},
	{[]byte{0xfe, 0x80}, 10, scopePrivate},
	{[]byte{0x20, 0x01, 0x0d, 0xb8}, 32, scopeNone}, // documentation, RFC 3849
	{[]byte{0x20}, 3, scopePublic},
	{[]byte{0, 0x64, 0xff, 0x9b}, 32, scopePublic}, // NAT64, RFC 6052
}

func (b block) contains(ip []byte) bool {
	whole := b.bits / 8
	if !bytes.Equal(ip[:whole], b.prefix[:whole]) {
		return false
	}
	if rest := b.bits % 8; rest > 0 {
		mask := byte(0xff) << (8 - rest)
		return ip[whole]&mask == b.prefix[whole]&mask
	}
	return true
}

var mapped4 = append(make([]byte, 10), 0xff, 0xff)

// scopeOfIP classifies 4 or 16 raw bytes.
func scopeOfIP(ip []byte) scope {
	if len(ip) == 16 && bytes.HasPrefix(ip, mapped4) {
		ip = ip[12:]
	}
	blocks, other := blocks4, scopePublic
	if len(ip) == 16 {
		blocks, other = blocks6, scopeNone
	}
	for _, b := range blocks {
		if b.contains(ip) {
			return b.scope
		}
	}
	return other
}

// ipOf returns the raw bytes of the IP address at the head of a, or nil. For an
// address through a relay that is the relay's.
func ipOf(a ma.Multiaddr) []byte {
	for i := range a {
		switch a[i].Code() {
		case ma.P_IP4, ma.P_IP6:
			return a[i].RawValue()
		case ma.P_IP6ZONE:
		default:
			return nil
		}
	}
	return nil
}

// relayed reports whether a leads through a relay.
func relayed(a ma.Multiaddr) bool {
	for i := range a {
		if a[i].Code() == ma.P_CIRCUIT {
			return true
		}
	}
	return false
}

// scopeOf classifies an address by where it leads first: through a relay
// (/p2p-circuit) that is the relay's own address.
func scopeOf(a ma.Multiaddr) scope {
	if len(a) == 0 {
		return scopeNone
	}
	if ip := ipOf(a); ip != nil {
		return scopeOfIP(ip)
	}
	switch a[0].Code() {
	case ma.P_DNS, ma.P_DNS4, ma.P_DNS6, ma.P_DNSADDR:
		return scopeOfName(a[0].RawValue())
	case ma.P_MEMORY, ma.P_UNIX:
		return scopeLoopback
	case ma.P_P2P, ma.P_CIRCUIT:
		return scopeNone // a relay without an address of its own
	}
	return scopePublic
}

func scopeOfName(name []byte) scope {
	name = bytes.ToLower(bytes.TrimSuffix(name, []byte(".")))
	switch {
	case bytes.Equal(name, []byte("localhost")) || bytes.HasSuffix(name, []byte(".localhost")):
		return scopeLoopback
	case bytes.HasSuffix(name, []byte(".local")), bytes.HasSuffix(name, []byte(".home.arpa")),
		bytes.HasSuffix(name, []byte(".internal")), !bytes.ContainsRune(name, '.'):
		return scopePrivate
	}
	return scopePublic
}

// scopeOfAsker is the narrowest scope whose addresses a node at this address
// can use. Of a node at an unknown address only the least is known.
func scopeOfAsker(remote ma.Multiaddr) scope {
	if s := scopeOf(remote); s != scopeNone {
		return s
	}
	return scopePublic
}

// scopeOfContact is the narrowest scope among a contact's addresses: a node
// whose loopback address we were told lives on this machine, one whose private
// address we were told lives in this network. So it is also the scope of what
// we believe when the contact tells us about others.
func scopeOfContact(c *overlay.Contact) scope {
	narrowest := scopeNone
	for _, a := range c.Addrs {
		if s := scopeOf(a); s != scopeNone && (narrowest == scopeNone || s < narrowest) {
			narrowest = s
		}
	}
	if narrowest == scopeNone {
		return scopePublic
	}
	return narrowest
}

// within keeps the addresses that can be used from scope s, at most MaxAddrs.
// It returns addrs itself if that is all of them, and never writes to it.
func within(addrs []ma.Multiaddr, s scope) []ma.Multiaddr {
	keep := 0
	for keep < len(addrs) && keep < MaxAddrs && scopeOf(addrs[keep]) >= s {
		keep++
	}
	if keep == len(addrs) {
		return addrs
	}
	out := make([]ma.Multiaddr, keep, len(addrs))
	copy(out, addrs)
	for _, a := range addrs[keep:] {
		if len(out) < MaxAddrs && scopeOf(a) >= s {
			out = append(out, a)
		}
	}
	return out
}

// contactWithin is c with the addresses that can be used from scope s; c itself
// if that is all of them.
func contactWithin(c *overlay.Contact, s scope) *overlay.Contact {
	addrs := within(c.Addrs, s)
	if len(addrs) == len(c.Addrs) {
		return c
	}
	return &overlay.Contact{ID: c.ID, Peer: c.Peer, Addrs: addrs}
}

// audience is the scope for which node to, which we are about to tell our own
// addresses, may use and pass them on. A node that shows a public address may
// hand them to anyone, so it gets our private ones only if it shares a private
// block of ours (/24 in IPv4, /64 in IPv6) and therefore likely our network.
func audience(self []ma.Multiaddr, to *overlay.Contact) scope {
	narrowest := scopeOfContact(to)
	if narrowest != scopePrivate || !hasScope(to.Addrs, scopePublic) {
		return narrowest
	}
	for _, a := range self {
		for _, b := range to.Addrs {
			if scopeOf(a) == scopePrivate && scopeOf(b) == scopePrivate && sameSubnet(ipOf(a), ipOf(b)) {
				return scopePrivate
			}
		}
	}
	return scopePublic
}

func hasScope(addrs []ma.Multiaddr, s scope) bool {
	for _, a := range addrs {
		if scopeOf(a) == s {
			return true
		}
	}
	return false
}

func sameSubnet(a, b []byte) bool {
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	n := 3
	if len(a) == 16 {
		n = 8
	}
	return bytes.Equal(a[:n], b[:n])
}
