// Package scope says from how far away an address can be reached, and so which
// addresses a node hands to whom and which it believes of whom: nobody is given
// an address that he cannot use, and nobody can send others into networks where
// he is not. Start at [Scope]; [Groups] says which addresses likely are one
// operator's.
package scope

import (
	"bytes"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
)

// Scope says from how far away an address can be reached. A wider scope is a
// greater number.
type Scope uint8

// The scopes.
const (
	None     Scope = iota // unusable: unspecified, multicast, documentation, malformed
	Loopback              // this machine
	Private               // this network
	Public                // anywhere
)

// block is a range of IP addresses.
type block struct {
	prefix []byte
	bits   int
	scope  Scope
}

// The special ranges of the IANA registries that matter to reachability; the
// first match counts. Everything else in IPv4 is public.
var blocks4 = []block{
	{[]byte{127}, 8, Loopback},
	{[]byte{10}, 8, Private},
	{[]byte{172, 16}, 12, Private},
	{[]byte{192, 168}, 16, Private},
	{[]byte{100, 64}, 10, Private},  // shared by carriers and VPNs (RFC 6598)
	{[]byte{169, 254}, 16, Private}, // link-local
	{[]byte{0}, 8, None},
	{[]byte{192, 0, 2}, 24, None}, // documentation, RFC 5737
	{[]byte{198, 51, 100}, 24, None},
	{[]byte{203, 0, 113}, 24, None},
	{[]byte{224}, 3, None}, // multicast, reserved, broadcast
}

var blocks6 = []block{
	{append(make([]byte, 15), 1), 128, Loopback},
	{[]byte{0xfc}, 7, Private},
	{[]byte{0xfe, 0x80}, 10, Private},
	{[]byte{0x20, 0x01, 0x0d, 0xb8}, 32, None}, // documentation, RFC 3849
	{[]byte{0x20}, 3, Public},
	{[]byte{0, 0x64, 0xff, 0x9b}, 32, Public}, // NAT64, RFC 6052
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

// ofIP classifies 4 or 16 raw bytes.
func ofIP(ip []byte) Scope {
	if len(ip) == 16 && bytes.HasPrefix(ip, mapped4) {
		ip = ip[12:]
	}
	blocks, other := blocks4, Public
	if len(ip) == 16 {
		blocks, other = blocks6, None
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

// Of classifies an address by where it leads first: through a relay
// (/p2p-circuit) that is the relay's own address.
func Of(a ma.Multiaddr) Scope {
	if len(a) == 0 {
		return None
	}
	if ip := ipOf(a); ip != nil {
		return ofIP(ip)
	}
	switch a[0].Code() {
	case ma.P_DNS, ma.P_DNS4, ma.P_DNS6, ma.P_DNSADDR:
		return ofName(a[0].RawValue())
	case ma.P_MEMORY, ma.P_UNIX:
		return Loopback
	case ma.P_P2P, ma.P_CIRCUIT:
		return None // a relay without an address of its own
	}
	return Public
}

func ofName(name []byte) Scope {
	name = bytes.ToLower(bytes.TrimSuffix(name, []byte(".")))
	switch {
	case bytes.Equal(name, []byte("localhost")) || bytes.HasSuffix(name, []byte(".localhost")):
		return Loopback
	case bytes.HasSuffix(name, []byte(".local")), bytes.HasSuffix(name, []byte(".home.arpa")),
		bytes.HasSuffix(name, []byte(".internal")), !bytes.ContainsRune(name, '.'):
		return Private
	}
	return Public
}

// OfAsker is the narrowest scope whose addresses a node at this address
// can use. Of a node at an unknown address only the least is known.
func OfAsker(remote ma.Multiaddr) Scope {
	if s := Of(remote); s != None {
		return s
	}
	return Public
}

// OfContact is the narrowest scope among a contact's addresses: a node
// whose loopback address we were told lives on this machine, one whose private
// address we were told lives in this network. So it is also the scope of what
// we believe when the contact tells us about others.
func OfContact(c *overlay.Contact) Scope {
	narrowest := None
	for _, a := range c.Addrs {
		if s := Of(a); s != None && (narrowest == None || s < narrowest) {
			narrowest = s
		}
	}
	if narrowest == None {
		return Public
	}
	return narrowest
}

// Within keeps the addresses that can be used from scope s, at most
// [overlay.MaxAddrs]. It returns addrs itself if that is all of them, and never
// writes to it.
func Within(addrs []ma.Multiaddr, s Scope) []ma.Multiaddr {
	keep := 0
	for keep < len(addrs) && keep < overlay.MaxAddrs && Of(addrs[keep]) >= s {
		keep++
	}
	if keep == len(addrs) {
		return addrs
	}
	out := make([]ma.Multiaddr, keep, len(addrs))
	copy(out, addrs)
	for _, a := range addrs[keep:] {
		if len(out) < overlay.MaxAddrs && Of(a) >= s {
			out = append(out, a)
		}
	}
	return out
}

// ContactWithin is c with the addresses that can be used from scope s; c itself
// if that is all of them.
func ContactWithin(c *overlay.Contact, s Scope) *overlay.Contact {
	addrs := Within(c.Addrs, s)
	if len(addrs) == len(c.Addrs) {
		return c
	}
	return &overlay.Contact{ID: c.ID, Peer: c.Peer, Addrs: addrs}
}

// Audience is the scope for which node to, which we are about to tell our own
// addresses, may use and pass them on. A node that shows a public address may
// hand them to anyone, so it gets our private ones only if it shares a private
// block of ours (/24 in IPv4, /64 in IPv6) and therefore likely our network.
func Audience(self []ma.Multiaddr, to *overlay.Contact) Scope {
	narrowest := OfContact(to)
	if narrowest != Private || !Has(to.Addrs, Public) {
		return narrowest
	}
	for _, a := range self {
		for _, b := range to.Addrs {
			if Of(a) == Private && Of(b) == Private && sameSubnet(ipOf(a), ipOf(b)) {
				return Private
			}
		}
	}
	return Public
}

// Reachable reports whether someone at scope s can use any address of c.
func Reachable(c *overlay.Contact, s Scope) bool {
	for _, a := range c.Addrs {
		if Of(a) >= s {
			return true
		}
	}
	return false
}

// Has reports whether any of the addresses has just the scope s.
func Has(addrs []ma.Multiaddr, s Scope) bool {
	for _, a := range addrs {
		if Of(a) == s {
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
