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
	if err := m.providers.Check(); err != nil {
		return fmt.Errorf("kademlia: provider records: %w", err)
	}
	if err := m.values.Check(); err != nil {
		return fmt.Errorf("kademlia: values: %w", err)
	}
	if n := m.values.Len(); !m.closed && len(m.values.alarms) != n {
		return fmt.Errorf("kademlia: %d values, %d of them to be stored again", n, len(m.values.alarms))
	}
	if err := m.publisher.Check(); err != nil && !m.closed {
		return fmt.Errorf("kademlia: keys provided: %w", err)
	}
	if m.closed && (m.ops.Len() > 0 || m.timers.Len() > 0) {
		return fmt.Errorf("kademlia: %d operations and %d alarms after leaving", m.ops.Len(), m.timers.Len())
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
