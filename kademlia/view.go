package kademlia

import (
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
	Room     int           // the most contacts that it may hold now
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
		Provided: m.publisher.Len(), Keys: m.providers.Len(), Records: m.providers.Records(),
		Values: m.values.Len(), Sent: m.requests.sent, Asked: m.requests.asked,
		RoundTrip: m.requests.trip.Smoothed(), Dead: m.requests.doubt,
	}
	for d := range m.table.buckets {
		b := &m.table.buckets[d]
		view := BucketView{Depth: d, Room: m.table.room(d, v.Near), Spares: len(b.spare)}
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
	list := m.table.closest(m.self.ID, m.table.size)
	out := make([]overlay.Contact, len(list))
	for i, c := range list {
		out[i] = *c
	}
	return out
}

// Size is the number of contacts in the table.
func (m *Machine) Size() int { return m.table.size }
