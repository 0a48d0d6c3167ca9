package kademlia

import (
	"fmt"
	"slices"

	"ringswap/overlay"
)

// CheckInvariants returns an error that names the first promise about the
// machine's state that does not hold. It costs time proportional to the state.
func (m *Machine) CheckInvariants() error {
	if err := m.table.check(); err != nil {
		return fmt.Errorf("kademlia: table: %w", err)
	}
	if err := m.providers.check(); err != nil {
		return fmt.Errorf("kademlia: provider records: %w", err)
	}
	if n := len(m.values.list); n > m.cfg.Records.MaxValues || len(m.values.at) != n {
		return fmt.Errorf("kademlia: %d values, %d indexed", n, len(m.values.at))
	}
	if n := len(m.publisher.list); len(m.publisher.at) != n {
		return fmt.Errorf("kademlia: %d keys provided, %d indexed", n, len(m.publisher.at))
	}
	if m.closed && (len(m.ops) > 0 || m.timers.Len() > 0) {
		return fmt.Errorf("kademlia: %d operations and %d alarms after leaving", len(m.ops), m.timers.Len())
	}
	return nil
}

// check returns an error that says which promise of the table is broken.
func (t *table) check() error {
	size := 0
	near := t.nearDepth()
	seen := make(map[overlay.ID]bool)
	for d := range t.buckets {
		b := &t.buckets[d]
		last := d == len(t.buckets)-1
		size += len(b.live)
		if room := t.room(d, near); len(b.live) > room {
			return fmt.Errorf("bucket %d of %d holds %d contacts, has room for %d", d, len(t.buckets), len(b.live), room)
		}
		if len(b.spare) > t.cfg.Spares {
			return fmt.Errorf("bucket %d has %d spares, has room for %d", d, len(b.spare), t.cfg.Spares)
		}
		for i, e := range slices.Concat(b.live, b.spare) {
			cpl := t.self.CommonPrefixLen(e.c.ID)
			switch {
			case e.c.ID == t.self:
				return fmt.Errorf("bucket %d holds this node itself", d)
			case seen[e.c.ID]:
				return fmt.Errorf("bucket %d: %s is in the table twice", d, e.c.ID.Short())
			case cpl < d || cpl > d && !last:
				return fmt.Errorf("bucket %d holds %s, which shares %d bits", d, e.c.ID.Short(), cpl)
			case i < len(b.live) && !t.diverse(e.c):
				return fmt.Errorf("bucket %d: too many contacts in the address block of %s", d, e.c.ID.Short())
			}
			seen[e.c.ID] = true
		}
	}
	if size != t.size {
		return fmt.Errorf("table counts %d contacts, holds %d", t.size, size)
	}
	return nil
}

// check returns an error that says which promise of the table is broken.
func (t *providerTable) check() error {
	size, counted := 0, 0
	for i, set := range t.list {
		size += len(set.records)
		if t.at[set.key] != i {
			return fmt.Errorf("set %d is indexed at %d", i, t.at[set.key])
		}
		if len(set.records) > t.cfg.MaxProviders {
			return fmt.Errorf("%d providers of one key", len(set.records))
		}
		for j := 1; j < len(set.records); j++ {
			if set.records[j].expires.Before(set.records[j-1].expires) {
				return fmt.Errorf("records of %s out of order", set.key.Short())
			}
		}
	}
	for _, n := range t.perID {
		counted += n
		if n > t.cfg.MaxPerPeer {
			return fmt.Errorf("one provider has %d records", n)
		}
	}
	if size != t.size || counted != size {
		return fmt.Errorf("%d records, counted as %d and %d", size, t.size, counted)
	}
	if len(t.list) > t.cfg.MaxKeys || len(t.at) != len(t.list) {
		return fmt.Errorf("%d sets, %d indexed", len(t.list), len(t.at))
	}
	return nil
}
