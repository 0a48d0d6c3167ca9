package kademlia

import (
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
	"ringswap/overlay/record"
)

// valueStore keeps the values that this node holds for the network where they
// belong: at the K nodes nearest to their keys.
type valueStore struct {
	*record.Values
	m      *Machine
	alarms map[overlay.ID]*alarm.Alarm // the next republication of each
}

func newValueStore(m *Machine) *valueStore {
	s := &valueStore{m: m, alarms: make(map[overlay.ID]*alarm.Alarm)}
	s.Values = record.NewValues(m.cfg.Records.MaxValues, m.cfg.Records.Validator, m.nearer, m.cfg.Rand, s.dropped)
	return s
}

func (s *valueStore) dropped(key overlay.ID) {
	s.m.timers.Stop(s.alarms[key])
	delete(s.alarms, key)
}

// leastLife is how long a value is kept by a node far from its key.
const leastLife = 5 * time.Minute

// lifetime is how long after its publication this node keeps a value: the full
// time if it is one of the K nearest nodes that it knows of, half of that for
// every further node in between (paper, section 2.3: "exponentially inversely
// proportional to the number of nodes between the current node and the node
// whose ID is closest to the key").
func (s *valueStore) lifetime(key overlay.ID) time.Duration {
	m := s.m
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
func (s *valueStore) keep(key overlay.Key, value []byte, published time.Time) error {
	m := s.m
	if err := keyError(key, MaxKey); err != nil {
		return err
	}
	if len(value) == 0 || len(value) > MaxValue {
		return bad("a value of %d bytes", len(value))
	}
	if err := s.Put(m.now, key, value, published, s.lifetime(key.ID())); err != nil {
		return err
	}
	if s.alarms[key.ID()] == nil {
		s.republish(s.Get(m.now, key.ID()))
	}
	return nil
}

// republish stores a value anew at the nodes that are responsible for it now if
// nobody did so within the interval (paper, section 2.5), and sets the alarm for
// the next time. The random delay sees to it that one of the holders is the
// first. The nearest subtree is known in full, so no lookup is needed.
func (s *valueStore) republish(v *record.Value) {
	m := s.m
	every := m.cfg.Records.ValueRepublish
	if m.now.Sub(v.Stored) >= every {
		v.Stored = m.now
		if m.table.closerThanSelf(v.Key.ID(), m.cfg.K) < m.cfg.K {
			for _, c := range m.table.closest(v.Key.ID(), m.cfg.K) {
				m.outbox.post(m, func() { m.give(c, v, nil) })
			}
		}
	}
	due := v.Stored.Add(every + time.Duration(m.cfg.Rand.Int64N(int64(every)/4+1)))
	s.alarms[v.Key.ID()] = m.timers.Set(due, func() { s.republish(v) })
}

// recordOf is the value as it travels. Its time of publication does so as the
// record's TimeReceived.
func recordOf(v *record.Value) *Record {
	return &Record{
		Key: v.Key.Preimage(), Value: v.Data,
		TimeReceived: v.Published.UTC().Format(time.RFC3339Nano),
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

// give stores the value at another node.
func (m *Machine) give(to *overlay.Contact, v *record.Value, then func(*Message, error)) {
	m.ask(to, &Message{Type: PutValue, Key: v.Key.Preimage(), Record: recordOf(v)}, then)
}

// handOver gives a new contact the values that it is now responsible for. Of
// all holders only the nearest to the key does so (paper, section 2.5).
func (s *valueStore) handOver(c *overlay.Contact) {
	m := s.m
	for v := range s.All() {
		key := v.Key.ID()
		rivals := m.table.closerThanSelf(key, 2)
		if key.Closer(c.ID, m.self.ID) {
			rivals--
		}
		if rivals > 0 || !m.now.Before(v.Expires) {
			continue
		}
		nearer := m.table.closest(key, m.cfg.K)
		if key.Closer(c.ID, m.self.ID) || len(nearer) < m.cfg.K || !key.Closer(nearer[len(nearer)-1].ID, c.ID) {
			m.outbox.post(m, func() { m.give(c, v, nil) })
		}
	}
}

// maxBequest bounds the values that a leaving node hands over.
const maxBequest = 256

// bequeath sends every value for which this node is responsible to the node
// that will be responsible in its place.
func (s *valueStore) bequeath() {
	m := s.m
	sent := 0
	for v := range s.All() {
		key := v.Key.ID()
		if sent == maxBequest {
			return
		}
		if !m.now.Before(v.Expires) || m.table.closerThanSelf(key, m.cfg.K) >= m.cfg.K {
			continue
		}
		nearest := m.table.closest(key, m.cfg.K)
		if len(nearest) < m.cfg.K { // all of them hold it
			continue
		}
		heir := nearest[m.cfg.K-1]
		m.tell(heir, &Message{Type: PutValue, Key: v.Key.Preimage(), Record: recordOf(v)})
		sent++
	}
}
