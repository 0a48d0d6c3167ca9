package scope

import (
	"encoding/binary"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
)

// Group is a block of public addresses that is likely one operator's: a /16 of
// IPv4 or a /32 of IPv6. Filling a table from one block is what an attacker with
// one provider can do cheaply.
type Group struct {
	v6     bool
	prefix uint32
}

// Groups appends the groups of a contact's public addresses to out, each
// once. Private and loopback addresses are in no group: a home network may be
// all of the table. An address through a relay counts for the relay's block,
// which says nothing about the node, so it is left out.
func Groups(out []Group, c *overlay.Contact) []Group {
next:
	for _, a := range c.Addrs {
		ip := ipOf(a)
		if ip == nil || ofIP(ip) != Public || relayed(a) {
			continue
		}
		g := groupOfIP(ip)
		for _, have := range out {
			if have == g {
				continue next
			}
		}
		out = append(out, g)
	}
	return out
}

func groupOfIP(ip []byte) Group {
	if len(ip) == 4 {
		return Group{prefix: uint32(binary.BigEndian.Uint16(ip))}
	}
	return Group{v6: true, prefix: binary.BigEndian.Uint32(ip)}
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
