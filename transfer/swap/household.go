package swap

import (
	"net/netip"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// sharedSpace is the space that carriers and overlay networks give to their
// customers (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// household is the part of the network behind an address that counts as one when
// gifts are metered: on the internet the /24 or the /48, since whoever has one
// address there has them all for little; in private space each address; on this
// machine nothing, the zero Prefix. Who comes over a relay is of the relay's
// household, because identities behind one cost nothing.
func household(a ma.Multiaddr) netip.Prefix {
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Prefix{}
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.Prefix{}
	}
	addr = addr.Unmap()
	bits := 48
	switch {
	case addr.IsLoopback():
		return netip.Prefix{}
	case addr.IsPrivate(), addr.IsLinkLocalUnicast(), sharedSpace.Contains(addr):
		bits = addr.BitLen()
	case addr.Is4():
		bits = 24
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
