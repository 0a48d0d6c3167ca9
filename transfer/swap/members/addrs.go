package members

import (
	"net/netip"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay/scope"
)

// net is a block of public addresses that is likely one household's or one
// operator's: a /24 of IPv4 or a /48 of IPv6.
type net = netip.Prefix

// netOf is the net of an address. ok is false for what is in no net: private
// addresses, of which a household has as many as it likes, and names. For an
// address through a relay it is the relay's.
func netOf(a ma.Multiaddr) (n net, ok bool) {
	ip, ok := ipOf(a)
	if !ok || scope.Of(a) != scope.Public {
		return net{}, false
	}
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	n, err := ip.Prefix(bits)
	return n, err == nil
}

// ipOf is the IP address that a leads to first.
func ipOf(a ma.Multiaddr) (netip.Addr, bool) {
	if len(a) == 0 {
		return netip.Addr{}, false
	}
	switch a[0].Code() {
	case ma.P_IP4, ma.P_IP6:
		ip, ok := netip.AddrFromSlice(a[0].RawValue())
		return ip.Unmap(), ok
	}
	return netip.Addr{}, false
}

// proven are the addresses of a node that it claims and that lead to where it
// was met: it may have moved a port, but sends nobody to a third party. Of a node
// behind a relay they are those through that relay.
func proven(claimed []ma.Multiaddr, remote ma.Multiaddr) (out []ma.Multiaddr) {
	at, ok := ipOf(remote)
	if !ok {
		return nil
	}
	for _, a := range claimed {
		if ip, ok := ipOf(a); ok && ip == at && relayed(a) == relayed(remote) && len(out) < MaxAddrs {
			out = append(out, a)
		}
	}
	return out
}

func relayed(a ma.Multiaddr) bool {
	for i := range a {
		if a[i].Code() == ma.P_CIRCUIT {
			return true
		}
	}
	return false
}
