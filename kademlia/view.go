package kademlia

import (
	"fmt"
	"time"

	"ringswap/overlay"
)

// View is a picture of a machine's state, for people and tests. It shares no
// memory that the machine writes to.
type View struct {
	Self   overlay.Contact
	Server bool
	// Contacts is the number of contacts in the table, Near the depth of the
	// smallest subtree with K of them, of which every node should be known.
	Contacts, Near int
	Buckets        []BucketView
	// Provided is the number of keys that this node announces; Keys, Records and
	// Values are what it keeps for others.
	Provided, Keys, Records, Values int
	// Sent counts all messages sent, Asked the requests among them.
	Sent, Asked uint64
	// RoundTrip is the smoothed time that answers take; 0 before the first.
	RoundTrip time.Duration
	// Dead estimates the share of contacts that do not answer: 0 to 1.
	Dead float64
}

// BucketView is one bucket. Depth is the number of leading bits that its
// contacts share with this node; the last bucket also has those that share more.
type BucketView struct {
	Depth    int
	Contacts []ContactView // least recently seen first
	Spares   int
	// Looked is the time of the last lookup in the bucket's range, zero if never.
	Looked time.Time
}

// ContactView is one contact of the table.
type ContactView struct {
	Contact overlay.Contact
	// Seen is the last sign of life, to the second.
	Seen time.Time
	// Silent is the number of requests in a row that it did not answer.
	Silent int
}

// View makes a picture of the machine.
func (m *Machine) View() View {
	v := View{
		Self: *m.self, Server: m.server, Contacts: m.table.size, Near: m.table.nearDepth(),
		Provided: len(m.publisher.list), Keys: len(m.providers.list), Records: m.providers.size,
		Values: len(m.values.list), Sent: m.requests.sent, Asked: m.requests.asked,
		RoundTrip: m.requests.srtt, Dead: m.requests.doubt,
	}
	for d := range m.table.buckets {
		b := &m.table.buckets[d]
		view := BucketView{Depth: d, Spares: len(b.spare)}
		if b.looked > 0 {
			view.Looked = b.looked.time()
		}
		for _, e := range b.live {
			view.Contacts = append(view.Contacts, ContactView{Contact: *e.c, Seen: e.seen.time(), Silent: int(e.fails)})
		}
		v.Buckets = append(v.Buckets, view)
	}
	return v
}

// Contacts are the contacts of the table that answer, nearest first: what is
// worth remembering for the next start, as seeds.
func (m *Machine) Contacts() []overlay.Contact {
	list := m.table.closest(m.self.ID, m.table.size, nil)
	out := make([]overlay.Contact, len(list))
	for i, c := range list {
		out[i] = *c
	}
	return out
}

// Preload puts contacts into the table as if they had just answered, without
// asking them. It is for simulators that build a large network at once; they
// share the contacts, which must not change. It returns how many were taken.
func (m *Machine) Preload(now time.Time, contacts []*overlay.Contact) int {
	for _, c := range contacts {
		if m.admissible(c) {
			m.table.seen(stampOf(now), c)
		}
	}
	m.table.joined, m.table.promoted, m.table.left = nil, nil, nil
	return m.table.size
}

// CheckInvariants returns an error that names the first promise about the
// machine's state that does not hold. It costs time proportional to the state.
func (m *Machine) CheckInvariants() error {
	if err := m.table.check(); err != nil {
		return fmt.Errorf("kademlia: table: %w", err)
	}
	if err := m.checkRecords(); err != nil {
		return fmt.Errorf("kademlia: records: %w", err)
	}
	if m.closed && (len(m.ops) > 0 || len(m.timers.heap) > 0) {
		return fmt.Errorf("kademlia: %d operations and %d alarms after leaving", len(m.ops), len(m.timers.heap))
	}
	return nil
}

func (m *Machine) checkRecords() error {
	t := &m.providers
	size := 0
	for i, set := range t.list {
		size += len(set.records)
		if t.at[set.key] != i {
			return fmt.Errorf("provider set %d is indexed at %d", i, t.at[set.key])
		}
		if len(set.records) > t.cfg.MaxProviders {
			return fmt.Errorf("%d providers of one key", len(set.records))
		}
		for j := 1; j < len(set.records); j++ {
			if set.records[j].expires.Before(set.records[j-1].expires) {
				return fmt.Errorf("provider records of %s out of order", set.key.Short())
			}
		}
	}
	perID := 0
	for _, n := range t.perID {
		perID += n
		if n > t.cfg.MaxPerPeer {
			return fmt.Errorf("one provider has %d records", n)
		}
	}
	switch {
	case size != t.size || perID != size:
		return fmt.Errorf("%d provider records, counted as %d and %d", size, t.size, perID)
	case len(t.list) > t.cfg.MaxKeys || len(t.at) != len(t.list):
		return fmt.Errorf("%d provider sets, %d indexed", len(t.list), len(t.at))
	case len(m.values.list) > m.values.cfg.MaxValues || len(m.values.at) != len(m.values.list):
		return fmt.Errorf("%d values, %d indexed", len(m.values.list), len(m.values.at))
	case len(m.publisher.at) != len(m.publisher.list):
		return fmt.Errorf("%d keys provided, %d indexed", len(m.publisher.list), len(m.publisher.at))
	}
	return nil
}
