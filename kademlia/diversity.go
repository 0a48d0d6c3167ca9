package kademlia

import (
	"encoding/binary"

	"ringswap/overlay"
)

// group is a block of public addresses that is likely one operator's: a /16 of
// IPv4 or a /32 of IPv6. Filling a table from one block is what an attacker with
// one provider can do cheaply.
type group struct {
	v6     bool
	prefix uint32
}

// groupsOf appends the groups of a contact's public addresses to out, each
// once. Private and loopback addresses are in no group: a home network may be
// all of the table. An address through a relay counts for the relay's block,
// which says nothing about the node, so it is left out.
func groupsOf(out []group, c *overlay.Contact) []group {
next:
	for _, a := range c.Addrs {
		ip := ipOf(a)
		if ip == nil || scopeOfIP(ip) != scopePublic || relayed(a) {
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

func groupOfIP(ip []byte) group {
	if len(ip) == 4 {
		return group{prefix: uint32(binary.BigEndian.Uint16(ip))}
	}
	return group{v6: true, prefix: binary.BigEndian.Uint32(ip)}
}

// diverse reports whether the table may take c, given who else is in it: at
// most PerGroup contacts of one block, and PerGroupDepth of those at one depth.
// The contact at place c.ID itself, if any, does not count.
func (t *table) diverse(c *overlay.Contact) bool {
	if t.cfg.PerGroup < 0 {
		return true
	}
	var mine, theirs [4]group
	groups := groupsOf(mine[:0], c)
	for _, g := range groups {
		total, near := 0, 0
		for i := range t.buckets {
			for _, e := range t.buckets[i].live {
				if e.c.ID == c.ID || !contains(groupsOf(theirs[:0], e.c), g) {
					continue
				}
				total++
				if t.self.CommonPrefixLen(e.c.ID) == t.self.CommonPrefixLen(c.ID) {
					near++
				}
			}
		}
		if total >= t.cfg.PerGroup || near >= t.cfg.PerGroupDepth {
			return false
		}
	}
	return true
}

func contains(groups []group, g group) bool {
	for _, have := range groups {
		if have == g {
			return true
		}
	}
	return false
}
