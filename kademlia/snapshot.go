package kademlia

import (
	"slices"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/scope"
)

// Snapshot is what a node keeps for others, to be written down when it stops and
// given back when it starts: laptops come and go all day, and the records that
// they hold need not go with them. What the node itself provides is not in it;
// its owner knows that better and provides it anew. Contacts are apart too, see
// [Machine.Contacts].
type Snapshot struct {
	Providers []ProviderRecord
	Values    []ValueRecord
}

// ProviderRecord says that Provider had the content at Key when it last said so.
type ProviderRecord struct {
	Key      overlay.ID
	Provider overlay.Contact
	Expires  time.Time
}

// ValueRecord is a stored value. Key is the pre-image.
type ValueRecord struct {
	Key, Value []byte
	Published  time.Time
}

// Snapshot copies the records that have not expired. It may be called at any
// time, also after Leave.
func (m *Machine) Snapshot() Snapshot {
	var s Snapshot
	for _, set := range m.providers.list {
		for _, r := range set.records {
			if m.now.Before(r.expires) {
				s.Providers = append(s.Providers, ProviderRecord{Key: set.key, Provider: *r.c, Expires: r.expires})
			}
		}
	}
	for _, v := range m.values.list {
		if m.now.Before(v.expires) {
			s.Values = append(s.Values, ValueRecord{Key: v.key.Preimage(), Value: clone(v.value), Published: v.published})
		}
	}
	return s
}

// Restore takes back a snapshot before the first Step. Records are checked as if
// they had just come from their provider or publisher, so a damaged or forged
// snapshot does no more harm than a peer could; what does not pass, or has
// expired, is left out. It returns how many records were taken.
func (m *Machine) Restore(now time.Time, s Snapshot) int {
	m.now = now
	taken := 0
	records := slices.Clone(s.Providers)
	slices.SortStableFunc(records, func(a, b ProviderRecord) int { return a.Expires.Compare(b.Expires) })
	for _, r := range records {
		left := min(r.Expires.Sub(now), m.cfg.Records.ProviderTTL)
		if left <= 0 || r.Provider.Peer == "" || r.Provider.Peer == m.self.Peer {
			continue
		}
		c := overlay.NewContact(r.Provider.Peer, scope.Within(r.Provider.Addrs, scope.Loopback)...)
		if m.providers.add(now.Add(left-m.cfg.Records.ProviderTTL), m.cfg.Rand, m.self.ID, r.Key, &c) == nil {
			taken++
		}
	}
	for _, v := range s.Values {
		if m.values.keep(overlay.RawKey(v.Key), v.Value, v.Published) == nil {
			taken++
		}
	}
	return taken
}
