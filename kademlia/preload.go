package kademlia

import (
	"time"

	"ringswap/overlay"
)

// Preload puts contacts into the table as if they had just answered, without
// asking them, and as if upkeep had gone on for long. It is for simulators that build a large network at once; they
// share the contacts, which must not change and differ from each other. It returns
// how many were taken.
func (m *Machine) Preload(now time.Time, contacts []*overlay.Contact) int {
	if t := &m.table; t.size == 0 && len(t.buckets) == 1 {
		t.fill(stampOf(now), contacts, m.admissible)
	} else {
		for _, c := range contacts {
			if m.admissible(c) {
				t.seen(stampOf(now), c)
			}
		}
	}
	m.table.joined, m.table.unproven, m.table.left = nil, nil, nil
	m.upkeep.aged(now)
	return m.table.size
}

// aged has upkeep stand where it does at a random moment of a long life.
func (u *upkeep) aged(now time.Time) {
	refresh := u.m.cfg.Table.Refresh
	if refresh < 0 {
		return
	}
	ago := func() time.Time { return now.Add(-time.Duration(u.m.cfg.Rand.Int64N(int64(refresh)))) }
	u.joined, u.selfLooked = now.Add(-2*refresh), ago()
	for d := range u.m.table.buckets {
		u.m.table.buckets[d].looked = stampOf(ago())
	}
}

// fill puts contacts into an empty table at once: what seen would come to, in a
// hundredth of the time.
func (t *table) fill(now stamp, contacts []*overlay.Contact, ok func(*overlay.Contact) bool) {
	var deep [8*overlay.IDBytes + 1]int // contacts by the bits that they share with this node
	inner := 0
	for _, c := range contacts {
		deep[t.self.CommonPrefixLen(c.ID)]++
		inner++
	}
	depth := 0 // of the last bucket, which alone may not be crowded
	for inner > t.cfg.BucketSize && depth < len(deep)-2 {
		inner -= deep[depth]
		depth++
	}
	t.buckets = make([]bucket, depth+1)
	slab := make([]entry, len(contacts))
	for d := range t.buckets {
		n := deep[d]
		if d == depth {
			n = inner
		}
		t.buckets[d].live = slab[:0:n]
		slab = slab[n:]
	}
	for _, c := range contacts {
		if c.ID == t.self || !ok(c) || !t.diverse(c) {
			continue
		}
		b := &t.buckets[t.depthOf(c.ID)]
		b.live = append(b.live, entryOf(c, now))
		t.resize(+1)
	}
	t.settle()
}
