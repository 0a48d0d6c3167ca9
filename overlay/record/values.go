package record

import (
	"bytes"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/idmap"
)

// Value is one value that this node keeps for the network.
type Value struct {
	Key  overlay.Key
	Data []byte // not to be written to
	// Published is when its publisher stored it, as far as we were told.
	Published time.Time
	// Stored is when it was last stored here.
	Stored time.Time
	// Expires is when it is forgotten.
	Expires time.Time
}

// Values holds at most one value for every key: the best that was offered. When
// it is full, a value far from this node makes room as in [Providers].
type Values struct {
	limit   int
	check   Validator
	nearer  Nearer
	rng     *rand.Rand
	dropped func(key overlay.ID)
	values  idmap.Map[*Value]
}

// NewValues makes an empty table for at most limit values. dropped, which may be
// nil, is called with the key of every value that leaves the table.
func NewValues(limit int, check Validator, nearer Nearer, rng *rand.Rand, dropped func(overlay.ID)) *Values {
	return &Values{limit: limit, check: check, nearer: nearer, rng: rng, dropped: dropped}
}

// Get returns the value of a key unless there is none or it has expired. It
// stays the table's.
func (t *Values) Get(now time.Time, key overlay.ID) *Value {
	if v, ok := t.values.Get(key); ok && now.Before(v.Expires) {
		return v
	}
	return nil
}

// Put keeps a copy of data under key for life from its publication; a
// publication in the future counts as now. It returns an error that wraps
// ErrRefused, or the validator's, if the value is not valid, has expired, is not
// better than the one that is here, or finds no room. Storing the same value
// again renews it.
func (t *Values) Put(now time.Time, key overlay.Key, data []byte, published time.Time, life time.Duration) error {
	pre := key.Preimage()
	if err := t.check.Validate(pre, data); err != nil {
		return err
	}
	if published.After(now) {
		published = now
	}
	v := t.Get(now, key.ID())
	if v != nil && !bytes.Equal(v.Data, data) && !t.check.Better(pre, data, v.Data) {
		return fmt.Errorf("%w: a value that is as good is here", overlay.ErrRefused)
	}
	if v != nil && bytes.Equal(v.Data, data) && v.Published.After(published) {
		published = v.Published
	}
	expires := published.Add(life)
	if !now.Before(expires) {
		return fmt.Errorf("%w: the value is %v old", overlay.ErrRefused, now.Sub(published))
	}
	if v == nil {
		if v = t.create(key); v == nil {
			return fmt.Errorf("%w: no room for another value", overlay.ErrRefused)
		}
	}
	v.Data, v.Published, v.Stored, v.Expires = bytes.Clone(data), published, now, expires
	return nil
}

// create makes room for a new value. It returns nil if there is none.
func (t *Values) create(key overlay.Key) *Value {
	t.Drop(key.ID()) // one that has expired
	if t.values.Len() >= t.limit && !makeRoom(&t.values, key.ID(), t.nearer, t.rng, t.Drop) {
		return nil
	}
	v := &Value{Key: key}
	t.values.Put(key.ID(), v)
	return v
}

// All are the values, also those that have just expired, in an order that
// depends on nothing but what was done to the table, which must not change
// meanwhile.
func (t *Values) All() iter.Seq[*Value] {
	return func(yield func(*Value) bool) {
		for _, v := range t.values.All() {
			if !yield(v) {
				return
			}
		}
	}
}

// Drop forgets the value of a key.
func (t *Values) Drop(key overlay.ID) {
	if _, ok := t.values.Get(key); !ok {
		return
	}
	t.values.Remove(key)
	if t.dropped != nil {
		t.dropped(key)
	}
}

// Expire drops what has expired.
func (t *Values) Expire(now time.Time) {
	for key, v := range t.values.Backward() {
		if !now.Before(v.Expires) {
			t.Drop(key)
		}
	}
}

// Len is the number of values.
func (t *Values) Len() int { return t.values.Len() }

// Check returns an error that says which promise of the table is broken.
func (t *Values) Check() error {
	if n := t.values.Len(); n > t.limit {
		return fmt.Errorf("%d values", n)
	}
	return t.values.Check()
}
