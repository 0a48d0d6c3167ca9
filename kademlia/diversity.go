package kademlia

import (
	"slices"

	"ringswap/overlay"
	"ringswap/overlay/scope"
)

// diverse reports whether the table may take c, given who else is in it: at
// most PerGroup contacts of one block, and PerGroupDepth of those at one depth.
// The contact at place c.ID itself, if any, does not count.
func (t *table) diverse(c *overlay.Contact) bool {
	if t.cfg.PerGroup < 0 {
		return true
	}
	var mine, theirs [4]scope.Group
	groups := scope.Groups(mine[:0], c)
	for _, g := range groups {
		total, near := 0, 0
		for i := range t.buckets {
			for _, e := range t.buckets[i].live {
				if e.c.ID == c.ID || !slices.Contains(scope.Groups(theirs[:0], e.c), g) {
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
