package kademlia

import (
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// providerTable holds the provider records that other nodes gave us. It is
// bounded in every direction: when it is full, the key farthest from this node
// among a few drawn at random makes room, so that a flood of keys from all over
// the keyspace cannot push out those that this node is responsible for.
type providerTable struct {
	cfg   *RecordConfig
	list  []*providerSet
	at    map[overlay.ID]int // index in list
	perID map[peer.ID]int    // records of each provider
	size  int
}

// providerSet are the providers of one key, the longest unheard of first.
type providerSet struct {
	key     overlay.ID
	records []providerRecord
}

type providerRecord struct {
	c       *overlay.Contact
	expires time.Time
}

// add keeps a record until cfg.ProviderTTL from now. self is this node's place.
// It returns ErrRefused if the provider or the key is over its limit.
func (t *providerTable) add(now time.Time, rng *rand.Rand, self, key overlay.ID, c *overlay.Contact) error {
	record := providerRecord{c: c, expires: now.Add(t.cfg.ProviderTTL)}
	set := t.set(key)
	if set != nil {
		for i := range set.records {
			if set.records[i].c.Peer == c.Peer {
				if len(c.Addrs) == 0 {
					record.c = set.records[i].c
				}
				copy(set.records[i:], set.records[i+1:])
				set.records[len(set.records)-1] = record
				return nil
			}
		}
	}
	if t.perID[c.Peer] >= t.cfg.MaxPerPeer {
		return overlay.ErrRefused
	}
	if set == nil {
		if len(t.list) >= t.cfg.MaxKeys && !t.makeRoom(rng, self, key) {
			return overlay.ErrRefused
		}
		set = t.create(key)
	}
	if len(set.records) >= t.cfg.MaxProviders {
		t.forget(set, 0)
	}
	set.records = append(set.records, record)
	if t.perID == nil {
		t.perID = make(map[peer.ID]int)
	}
	t.perID[c.Peer]++
	t.size++
	return nil
}

func (t *providerTable) set(key overlay.ID) *providerSet {
	if i, ok := t.at[key]; ok {
		return t.list[i]
	}
	return nil
}

func (t *providerTable) create(key overlay.ID) *providerSet {
	if t.at == nil {
		t.at = make(map[overlay.ID]int)
	}
	set := &providerSet{key: key}
	t.at[key] = len(t.list)
	t.list = append(t.list, set)
	return set
}

// forget drops one record of a set, which stays, even if empty.
func (t *providerTable) forget(set *providerSet, i int) {
	p := set.records[i].c.Peer
	if t.perID[p]--; t.perID[p] <= 0 {
		delete(t.perID, p)
	}
	t.size--
	copy(set.records[i:], set.records[i+1:])
	set.records[len(set.records)-1] = providerRecord{}
	set.records = set.records[:len(set.records)-1]
}

// remove drops the i-th set and its records.
func (t *providerTable) remove(i int) {
	set := t.list[i]
	for len(set.records) > 0 {
		t.forget(set, len(set.records)-1)
	}
	delete(t.at, set.key)
	last := len(t.list) - 1
	if i != last {
		t.list[i] = t.list[last]
		t.at[t.list[i].key] = i
	}
	t.list[last] = nil
	t.list = t.list[:last]
}

// makeRoom drops a key that is farther from this node than key is, if it finds
// one.
func (t *providerTable) makeRoom(rng *rand.Rand, self, key overlay.ID) bool {
	const draws = 8
	worst := -1
	for range draws {
		i := rng.IntN(len(t.list))
		if worst < 0 || self.Closer(t.list[worst].key, t.list[i].key) {
			worst = i
		}
	}
	if !self.Closer(key, t.list[worst].key) {
		return false
	}
	t.remove(worst)
	return true
}

// get returns the providers of a key whose records have not expired, the latest
// first.
func (t *providerTable) get(now time.Time, key overlay.ID) []*overlay.Contact {
	set := t.set(key)
	if set == nil {
		return nil
	}
	out := make([]*overlay.Contact, 0, len(set.records))
	for i := len(set.records) - 1; i >= 0; i-- {
		if r := set.records[i]; now.Before(r.expires) {
			out = append(out, r.c)
		}
	}
	return out
}

// expire drops what has expired.
func (t *providerTable) expire(now time.Time) {
	for i := len(t.list) - 1; i >= 0; i-- {
		set := t.list[i]
		for len(set.records) > 0 && !now.Before(set.records[0].expires) {
			t.forget(set, 0)
		}
		if len(set.records) == 0 {
			t.remove(i)
		}
	}
}
