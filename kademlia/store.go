package kademlia

import (
	"bytes"
	"fmt"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
)

// valueTable holds the values that this node keeps for the network.
type valueTable struct {
	m    *Machine
	list []*storedValue
	at   map[overlay.ID]int // index in list
}

// storedValue is one value.
type storedValue struct {
	key   overlay.Key
	value []byte
	// published is when its publisher stored it, as far as we were told: it
	// travels as the record's TimeReceived when we pass it on.
	published time.Time
	stored    time.Time // when it was last stored here
	expires   time.Time
	alarm     *alarm.Alarm // its next republication
}

func (t *valueTable) get(key overlay.ID) *storedValue {
	if i, ok := t.at[key]; ok && t.m.now.Before(t.list[i].expires) {
		return t.list[i]
	}
	return nil
}

func (t *valueTable) remove(i int) *storedValue {
	v := t.list[i]
	delete(t.at, v.key.ID())
	last := len(t.list) - 1
	if i != last {
		t.list[i] = t.list[last]
		t.at[t.list[i].key.ID()] = i
	}
	t.list[last] = nil
	t.list = t.list[:last]
	return v
}

// makeRoom drops a value that is farther from this node than key is, if one of a
// few drawn at random is.
func (t *valueTable) makeRoom(key overlay.ID) *storedValue {
	const draws = 8
	self, rng := t.m.self.ID, t.m.cfg.Rand
	worst := -1
	for range draws {
		i := rng.IntN(len(t.list))
		if worst < 0 || self.Closer(t.list[worst].key.ID(), t.list[i].key.ID()) {
			worst = i
		}
	}
	if !self.Closer(key, t.list[worst].key.ID()) {
		return nil
	}
	return t.remove(worst)
}

// leastLife is how long a value is kept by a node far from its key.
const leastLife = 5 * time.Minute

// lifetime is how long after its publication this node keeps a value: the full
// time if it is one of the K nearest nodes that it knows of, half of that for
// every further node in between (paper, section 2.3: "exponentially inversely
// proportional to the number of nodes between the current node and the node
// whose ID is closest to the key").
func (t *valueTable) lifetime(key overlay.ID) time.Duration {
	m := t.m
	between := m.table.closerThanSelf(key, 4*m.cfg.K) - m.cfg.K + 1
	life := m.cfg.Records.ValueTTL
	for ; between > 0 && life > leastLife; between-- {
		life /= 2
	}
	return max(life, min(leastLife, m.cfg.Records.ValueTTL))
}

// keep checks a value and keeps it. published is when its publisher stored
// it. It returns an error if the value is not valid, has expired, is worse than
// the one that is here, or finds no room.
func (t *valueTable) keep(key overlay.Key, value []byte, published time.Time) error {
	m := t.m
	if err := keyError(key, MaxKey); err != nil {
		return err
	}
	if len(value) == 0 || len(value) > MaxValue {
		return bad("a value of %d bytes", len(value))
	}
	pre, check := key.Preimage(), m.cfg.Records.Validator
	if err := check.Validate(pre, value); err != nil {
		return err
	}
	if published.After(m.now) {
		published = m.now
	}
	v := t.get(key.ID())
	if v != nil && !bytes.Equal(v.value, value) && !check.Better(pre, value, v.value) {
		return fmt.Errorf("%w: a value that is as good is here", overlay.ErrRefused)
	}
	if v != nil && bytes.Equal(v.value, value) && v.published.After(published) {
		published = v.published
	}
	expires := published.Add(t.lifetime(key.ID()))
	if !m.now.Before(expires) {
		return fmt.Errorf("%w: the value is %v old", overlay.ErrRefused, m.now.Sub(published))
	}
	if v == nil {
		if v = t.create(key); v == nil {
			return fmt.Errorf("%w: no room for another value", overlay.ErrRefused)
		}
	}
	v.value, v.published, v.stored, v.expires = clone(value), published, m.now, expires
	if v.alarm == nil {
		t.republish(v)
	}
	return nil
}

// create makes room for a new value. It returns nil if there is none.
func (t *valueTable) create(key overlay.Key) *storedValue {
	m := t.m
	if i, ok := t.at[key.ID()]; ok { // one that has expired
		m.timers.Stop(t.remove(i).alarm)
	}
	if len(t.list) >= m.cfg.Records.MaxValues {
		out := t.makeRoom(key.ID())
		if out == nil {
			return nil
		}
		m.timers.Stop(out.alarm)
	}
	if t.at == nil {
		t.at = make(map[overlay.ID]int)
	}
	v := &storedValue{key: key}
	t.at[key.ID()] = len(t.list)
	t.list = append(t.list, v)
	return v
}

// republish stores a value anew at the nodes that are responsible for it now if
// nobody did so within the interval (paper, section 2.5), and sets the alarm for
// the next time. The random delay sees to it that one of the holders is the
// first. The nearest subtree is known in full, so no lookup is needed.
func (t *valueTable) republish(v *storedValue) {
	m := t.m
	every := m.cfg.Records.ValueRepublish
	if m.now.Sub(v.stored) >= every {
		v.stored = m.now
		if m.table.closerThanSelf(v.key.ID(), m.cfg.K) < m.cfg.K {
			for _, c := range m.table.closest(v.key.ID(), m.cfg.K, nil) {
				m.outbox.post(m, func() { v.giveTo(m, c, nil) })
			}
		}
	}
	due := v.stored.Add(every + time.Duration(m.cfg.Rand.Int64N(int64(every)/4+1)))
	v.alarm = m.timers.Set(due, func() { t.republish(v) })
}

// record is the value as it travels.
func (v *storedValue) record() *Record {
	return &Record{
		Key: v.key.Preimage(), Value: v.value,
		TimeReceived: v.published.UTC().Format(time.RFC3339Nano),
	}
}

// publishedAt is when a record that we were given was published: what its sender
// says, unless that is not to be read or lies in the future. A sender that says
// nothing publishes it.
func publishedAt(now time.Time, r *Record) time.Time {
	at, err := time.Parse(time.RFC3339Nano, r.TimeReceived)
	if err != nil || at.After(now) {
		return now
	}
	return at
}

// giveTo stores the value at another node.
func (v *storedValue) giveTo(m *Machine, to *overlay.Contact, then func(*Message, error)) {
	m.ask(to, &Message{Type: PutValue, Key: v.key.Preimage(), Record: v.record()}, then)
}

// handOver gives a new contact the values that it is now responsible for. Of
// all holders only the nearest to the key does so (paper, section 2.5).
func (t *valueTable) handOver(c *overlay.Contact) {
	m := t.m
	for _, v := range t.list {
		key := v.key.ID()
		rivals := m.table.closerThanSelf(key, 2)
		if key.Closer(c.ID, m.self.ID) {
			rivals--
		}
		if rivals > 0 || !m.now.Before(v.expires) {
			continue
		}
		nearer := m.table.closest(key, m.cfg.K, nil)
		if key.Closer(c.ID, m.self.ID) || len(nearer) < m.cfg.K || !key.Closer(nearer[len(nearer)-1].ID, c.ID) {
			m.outbox.post(m, func() { v.giveTo(m, c, nil) })
		}
	}
}

// maxBequest bounds the values that a leaving node hands over.
const maxBequest = 256

// bequeath sends every value for which this node is responsible to the node
// that will be responsible in its place.
func (t *valueTable) bequeath() {
	m := t.m
	sent := 0
	for _, v := range t.list {
		key := v.key.ID()
		if sent == maxBequest {
			return
		}
		if !m.now.Before(v.expires) || m.table.closerThanSelf(key, m.cfg.K) >= m.cfg.K {
			continue
		}
		nearest := m.table.closest(key, m.cfg.K, nil)
		if len(nearest) < m.cfg.K { // all of them hold it
			continue
		}
		heir := nearest[m.cfg.K-1]
		m.tell(heir, &Message{Type: PutValue, Key: v.key.Preimage(), Record: v.record()})
		sent++
	}
}

// expire drops what has expired.
func (t *valueTable) expire() {
	m := t.m
	for i := len(t.list) - 1; i >= 0; i-- {
		if !m.now.Before(t.list[i].expires) {
			m.timers.Stop(t.remove(i).alarm)
		}
	}
}
