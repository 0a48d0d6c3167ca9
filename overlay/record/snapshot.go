package record

import (
	"bytes"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
	"ringswap/overlay/scope"
)

// Snapshot is what a node keeps for others, to be written down when it stops and
// given back when it starts: laptops come and go all day, and the records that
// they hold need not go with them. What the node itself provides is not in it;
// its owner knows that better and provides it anew.
type Snapshot struct {
	Providers []SavedProvider
	Values    []SavedValue
}

// SavedProvider is a provider record of a [Snapshot].
type SavedProvider struct {
	Key      overlay.ID
	Provider overlay.Contact
	Expires  time.Time
}

// SavedValue is a value of a [Snapshot]. Key is the pre-image.
type SavedValue struct {
	Key, Value []byte
	Published  time.Time
}

// Save copies the records that have not expired.
func Save(now time.Time, providers *Providers, values *Values) (s Snapshot) {
	for key, set := range providers.sets.All() {
		for _, r := range set.records {
			if now.Before(r.Expires) {
				s.Providers = append(s.Providers, SavedProvider{Key: key, Provider: *r.Contact, Expires: r.Expires})
			}
		}
	}
	for _, v := range values.values.All() {
		if now.Before(v.Expires) {
			s.Values = append(s.Values, SavedValue{Key: v.Key.Preimage(), Value: bytes.Clone(v.Data), Published: v.Published})
		}
	}
	return s
}

// Restore takes back the provider records of a snapshot. They are checked as if
// they had just come from their provider, so a damaged or forged snapshot does no
// more harm than a peer could: no record lives longer than ttl from now, none is
// self's own, and what has expired is left out. It returns how many were taken.
func (t *Providers) Restore(now time.Time, saved []SavedProvider, self peer.ID, ttl time.Duration) (taken int) {
	saved = slices.Clone(saved)
	slices.SortStableFunc(saved, func(a, b SavedProvider) int { return a.Expires.Compare(b.Expires) })
	for _, r := range saved {
		left := min(r.Expires.Sub(now), ttl)
		if left <= 0 || r.Provider.Peer == "" || r.Provider.Peer == self {
			continue
		}
		c := overlay.NewContact(r.Provider.Peer, scope.Within(r.Provider.Addrs, scope.Loopback)...)
		if t.Add(r.Key, &c, now.Add(left)) == nil {
			taken++
		}
	}
	return taken
}
