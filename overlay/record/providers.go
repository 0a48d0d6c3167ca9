package record

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
	"ringswap/overlay/idmap"
)

// ProviderLimits bounds a [Providers]. All must be positive.
type ProviderLimits struct {
	// Keys is the most keys that have records.
	Keys int
	// PerKey is the most providers of one key.
	PerKey int
	// PerPeer is the most keys of one provider.
	PerPeer int
}

// Provider says that Contact had the content of a key when it last said so.
type Provider struct {
	Contact *overlay.Contact // shared; not to be written to
	Expires time.Time
}

// Providers holds the provider records that other nodes gave us. When it is
// full, the key farthest from this node among a few drawn at random makes room,
// so that a flood of keys from all over the keyspace cannot push out those that
// this node is responsible for.
type Providers struct {
	limits ProviderLimits
	nearer Nearer
	rng    *rand.Rand
	sets   idmap.Map[*providerSet]
	perID  map[peer.ID]int // records of each provider
	size   int
}

// providerSet are the providers of one key, the first to expire first.
type providerSet struct{ records []Provider }

// NewProviders makes an empty table. rng stays its caller's: the table draws
// from it only when it is full.
func NewProviders(limits ProviderLimits, nearer Nearer, rng *rand.Rand) *Providers {
	return &Providers{limits: limits, nearer: nearer, rng: rng, perID: make(map[peer.ID]int)}
}

// Add keeps a record until expires. Of a provider that is known already the
// later expiry counts, and its addresses unless it names none. A key with too
// many providers loses the one that expires first. Add returns ErrRefused if
// the provider or the table is over its limit.
func (t *Providers) Add(key overlay.ID, c *overlay.Contact, expires time.Time) error {
	record := Provider{Contact: c, Expires: expires}
	set, _ := t.sets.Get(key)
	if set != nil {
		if i := set.find(c.Peer); i >= 0 {
			old := set.records[i]
			if len(c.Addrs) == 0 {
				record.Contact = old.Contact
			}
			if old.Expires.After(expires) {
				record.Expires = old.Expires
			}
			set.take(i)
			set.insert(record)
			return nil
		}
	}
	if t.perID[c.Peer] >= t.limits.PerPeer {
		return overlay.ErrRefused
	}
	if set == nil {
		if t.sets.Len() >= t.limits.Keys && !makeRoom(&t.sets, key, t.nearer, t.rng, t.Drop) {
			return overlay.ErrRefused
		}
		set = new(providerSet)
		t.sets.Put(key, set)
	}
	if len(set.records) >= t.limits.PerKey {
		if expires.Before(set.records[0].Expires) {
			return overlay.ErrRefused
		}
		t.forget(set, 0)
	}
	set.insert(record)
	t.perID[c.Peer]++
	t.size++
	return nil
}

// Room reports whether a key can have one more provider without another's losing
// its place: what is known by hearsay should not displace anybody.
func (t *Providers) Room(key overlay.ID) bool {
	if set, ok := t.sets.Get(key); ok {
		return len(set.records) < t.limits.PerKey
	}
	return true
}

// find returns the index of the provider's record, or -1.
func (s *providerSet) find(p peer.ID) int {
	for i := range s.records {
		if s.records[i].Contact.Peer == p {
			return i
		}
	}
	return -1
}

// take removes the i-th record.
func (s *providerSet) take(i int) {
	copy(s.records[i:], s.records[i+1:])
	s.records[len(s.records)-1] = Provider{}
	s.records = s.records[:len(s.records)-1]
}

// insert puts a record behind all that do not expire after it.
func (s *providerSet) insert(r Provider) {
	s.records = append(s.records, r)
	i := len(s.records) - 1
	for ; i > 0 && s.records[i-1].Expires.After(r.Expires); i-- {
		s.records[i] = s.records[i-1]
	}
	s.records[i] = r
}

// forget drops one record of a set, which stays, even if empty.
func (t *Providers) forget(set *providerSet, i int) {
	p := set.records[i].Contact.Peer
	if t.perID[p]--; t.perID[p] <= 0 {
		delete(t.perID, p)
	}
	t.size--
	set.take(i)
}

// Get returns the providers of a key whose records have not expired, the latest
// first.
func (t *Providers) Get(now time.Time, key overlay.ID) []Provider {
	set, ok := t.sets.Get(key)
	if !ok {
		return nil
	}
	out := make([]Provider, 0, len(set.records))
	for i := len(set.records) - 1; i >= 0; i-- {
		if r := set.records[i]; now.Before(r.Expires) {
			out = append(out, r)
		}
	}
	return out
}

// Keys are the keys that have records, in an order that depends on nothing but
// what was done to the table, which must not change meanwhile.
func (t *Providers) Keys() iter.Seq[overlay.ID] {
	return func(yield func(overlay.ID) bool) {
		for key := range t.sets.All() {
			if !yield(key) {
				return
			}
		}
	}
}

// Drop forgets a key and its records.
func (t *Providers) Drop(key overlay.ID) {
	set, ok := t.sets.Get(key)
	if !ok {
		return
	}
	for len(set.records) > 0 {
		t.forget(set, len(set.records)-1)
	}
	t.sets.Remove(key)
}

// Expire drops what has expired.
func (t *Providers) Expire(now time.Time) {
	for key, set := range t.sets.Backward() {
		for len(set.records) > 0 && !now.Before(set.records[0].Expires) {
			t.forget(set, 0)
		}
		if len(set.records) == 0 {
			t.sets.Remove(key)
		}
	}
}

// Len is the number of keys, Records the number of records.
func (t *Providers) Len() int { return t.sets.Len() }

// Records is the number of records of all keys.
func (t *Providers) Records() int { return t.size }

// OfPeer is the number of keys of one provider.
func (t *Providers) OfPeer(p peer.ID) int { return t.perID[p] }

// Check returns an error that says which promise of the table is broken. It
// costs time proportional to the table.
func (t *Providers) Check() error {
	size, counted := 0, 0
	for key, set := range t.sets.All() {
		size += len(set.records)
		if len(set.records) > t.limits.PerKey {
			return fmt.Errorf("%d providers of one key", len(set.records))
		}
		for j := 1; j < len(set.records); j++ {
			if set.records[j].Expires.Before(set.records[j-1].Expires) {
				return fmt.Errorf("records of %s out of order", key.Short())
			}
		}
	}
	for _, n := range t.perID {
		counted += n
		if n > t.limits.PerPeer {
			return fmt.Errorf("one provider has %d records", n)
		}
	}
	if size != t.size || counted != size {
		return fmt.Errorf("%d records, counted as %d and %d", size, t.size, counted)
	}
	if n := t.sets.Len(); n > t.limits.Keys {
		return fmt.Errorf("%d keys", n)
	}
	return t.sets.Check()
}
