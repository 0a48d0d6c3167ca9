package kademlia

import (
	"time"

	"ringswap/overlay"
	"ringswap/overlay/record"
)

// Snapshot copies the records that have not expired. It may be called at any
// time, also after Leave. Contacts are apart, see [Machine.Contacts].
func (m *Machine) Snapshot() record.Snapshot {
	return record.Save(m.now, m.providers, m.values.Values)
}

// Restore takes back a snapshot before the first Step. Records are checked as if
// they had just come from their provider or publisher, so a damaged or forged
// snapshot does no more harm than a peer could; what does not pass, or has
// expired, is left out. It returns how many records were taken.
func (m *Machine) Restore(now time.Time, s record.Snapshot) int {
	m.now = m.timers.Advance(now)
	taken := m.providers.Restore(now, s.Providers, m.self.Peer, m.cfg.Records.ProviderTTL)
	for _, v := range s.Values {
		if m.values.keep(overlay.RawKey(v.Key), v.Value, v.Published) == nil {
			taken++
		}
	}
	return taken
}
