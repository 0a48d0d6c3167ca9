package chord

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
	"ringswap/overlay/scope"
)

// keeper keeps the records where they belong while nodes come and go. Two rules
// suffice, each between neighbours: the nodes after this one that share its range
// should have what it has of its range; and its predecessor, which is nearer to
// every other key, should have what it has of those. So a record that is in the
// ring at all wanders back to its key's successor, and from there to the next
// Copies-1 nodes. Neighbours compare digests first, so nothing is sent twice. One
// request of the keeper is out at a time, and no more than SendsPerSecond.
type keeper struct {
	m       *Machine
	alarm   *alarm.Alarm // the next round
	tasks   []task       // of the running round
	running bool
	again   bool // something changed since the round began
}

// task is to see that a node has this node's records of a part of the ring.
type task struct {
	to          *overlay.Contact
	after, upto overlay.ID
	list        []held
}

// held is one record that this node has.
type held struct {
	key      overlay.ID
	print    uint64
	provider *ProviderRecord
	value    *ValueRecord
}

const (
	// keeperPause is how soon after a change the records are compared: a moment
	// later, since changes come in groups.
	keeperPause = 500 * time.Millisecond
	// keeperRest is the least time between two rounds.
	keeperRest = 2 * time.Second
	// maxTask is the most records that are compared by one request.
	maxTask = 1024
	// maxBatch is the most bytes of records in one message, as counted by cost.
	maxBatch = 128 << 10
)

// start sets the first round.
func (k *keeper) start() {
	if k.m.cfg.Records.Sync > 0 && !k.alarm.Pending() {
		k.alarm = k.m.after(k.m.jitter(k.m.cfg.Records.Sync), k.round)
	}
}

// moved says that this node's neighbours, or its records, are others now.
func (k *keeper) moved() {
	m := k.m
	if m.closed || m.cfg.Records.Sync < 0 {
		return
	}
	if k.running {
		k.again = true
		return
	}
	if due := m.now.Add(2 * keeperPause); !k.alarm.Pending() || k.alarm.At().After(due) {
		m.clock.Stop(k.alarm)
		k.alarm = m.after(m.jitter(keeperPause), k.round)
	}
}

// round compares this node's records with those of its neighbours.
func (k *keeper) round() {
	m := k.m
	m.records.sweep()
	k.running, k.again = true, false
	ring := &m.ring
	if p := ring.pred; p != nil && m.server {
		own := m.records.held(p.ID, m.self.ID, true)
		for _, c := range ring.succ[:min(len(ring.succ), m.cfg.Copies-1)] {
			k.plan(c, p.ID, own)
		}
		k.plan(p, m.self.ID, m.records.held(m.self.ID, p.ID, false))
	}
	k.next()
}

// plan adds the tasks for a node and the records after a place, in ring order.
func (k *keeper) plan(to *overlay.Contact, after overlay.ID, list []held) {
	for len(list) > 0 {
		n := min(len(list), maxTask)
		for n < len(list) && list[n].key == list[n-1].key {
			n++ // a key's records stay together
		}
		upto := list[n-1].key
		if k.tasks == nil {
			k.tasks = make([]task, 0, 8)
		}
		k.tasks = append(k.tasks, task{to: to, after: after, upto: upto, list: list[:n]})
		after, list = upto, list[n:]
	}
}

// next begins the next task of the round, at its pace.
func (k *keeper) next() {
	m := k.m
	if m.closed {
		return
	}
	if len(k.tasks) == 0 {
		k.running, k.tasks = false, nil
		wait := m.jitter(m.cfg.Records.Sync)
		if k.again {
			wait = keeperRest
		}
		m.clock.Stop(k.alarm)
		k.alarm = m.after(wait, k.round)
		return
	}
	t := k.tasks[0]
	k.tasks = k.tasks[1:]
	m.after(time.Second/time.Duration(m.cfg.Limits.SendsPerSecond), func() { k.compare(t) })
}

// compare asks the node what it has, and gives it what it lacks.
func (k *keeper) compare(t task) {
	digest := uint64(0)
	for i := range t.list {
		digest += t.list[i].print
	}
	k.m.ask(t.to, &SyncRequest{After: t.after, Upto: t.upto, Digest: digest, Count: len(t.list)}, func(msg Message, err error) {
		if err != nil || msg.(*SyncAnswer).Same {
			k.next()
			return
		}
		have := make(map[uint64]bool)
		for _, print := range msg.(*SyncAnswer).Have {
			have[print] = true
		}
		missing := slices.DeleteFunc(slices.Clone(t.list), func(h held) bool { return have[h.print] })
		k.give(t.to, missing)
	})
}

// give hands records over, one batch after the other.
func (k *keeper) give(to *overlay.Contact, list []held) {
	m := k.m
	if len(list) == 0 || m.closed {
		k.next()
		return
	}
	msg, n := batch(list)
	m.after(time.Second/time.Duration(m.cfg.Limits.SendsPerSecond), func() {
		m.ask(to, msg, func(_ Message, err error) {
			if err != nil {
				k.again = true // it may be gone; then the next round has another
				k.next()
				return
			}
			k.give(to, list[n:])
		})
	})
}

// batch is a message with the first n records of a list.
func batch(list []held) (msg *HandOverRequest, n int) {
	msg = new(HandOverRequest)
	size := 0
	for ; n < len(list) && n < MaxRecords; n++ {
		h := list[n]
		cost := MaxContact
		if h.value != nil {
			cost = len(h.value.Key) + len(h.value.Value)
		} else if addrs := h.provider.Provider.Addrs; len(addrs) > 0 {
			cost = 0
			for _, a := range addrs {
				cost += len(a.Bytes()) + 4
			}
		}
		if size += cost + 128; size > maxBatch && n > 0 {
			break
		}
		if h.value != nil {
			msg.Values = append(msg.Values, *h.value)
		} else {
			msg.Providers = append(msg.Providers, *h.provider)
		}
	}
	return msg, n
}

// held are the records of the keys after a place and up to another, in ring
// order, with those of what this node provides itself: all if own is set, else those
// that it is a keeper of.
func (r *records) held(after, upto overlay.ID, own bool) []held {
	m := r.m
	var list []held
	for key := range r.providers.Keys() {
		if !upTo(after, key, upto) {
			continue
		}
		for _, p := range r.providers.Get(m.now, key) {
			age := max(0, m.cfg.Records.ProviderTTL-p.Expires.Sub(m.now))
			rec := &ProviderRecord{Key: key, Provider: p.Contact, Age: age}
			list = append(list, held{key: key, print: fingerprint(key, []byte(p.Contact.Peer), 'p'), provider: rec})
		}
	}
	for pub := range r.publisher.All() {
		if key := pub.ID(); (own || pub.Note.keeper) && upTo(after, key, upto) {
			rec := &ProviderRecord{Key: key, Provider: m.self} // it could say so right now
			list = append(list, held{key: key, print: fingerprint(key, []byte(m.self.Peer), 'p'), provider: rec})
		}
	}
	for v := range r.values.All() {
		if key := v.Key.ID(); upTo(after, key, upto) && m.now.Before(v.Expires) {
			list = append(list, held{key: key, print: fingerprint(key, v.Data, 'v'), value: m.travelling(v)})
		}
	}
	slices.SortStableFunc(list, func(a, b held) int { return a.key.Sub(after).Compare(b.key.Sub(after)) })
	return list
}

// fingerprint stands for a record in comparisons.
func fingerprint(key overlay.ID, content []byte, kind byte) uint64 {
	b := make([]byte, 0, len(key)+1+len(content))
	b = append(append(append(b, key[:]...), kind), content...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:8])
}

// compare answers which records this node has in a part of the ring. Only its
// neighbours may ask.
func (r *records) compare(sender *overlay.Contact, server bool, msg *SyncRequest) (Message, error) {
	if !server || !r.near(sender.ID) {
		return nil, refused(ErrRange)
	}
	list := r.held(msg.After, msg.Upto, true)
	a := &SyncAnswer{}
	digest := uint64(0)
	for i := range list {
		digest += list[i].print
		if i < MaxHave {
			a.Have = append(a.Have, list[i].print)
		}
	}
	if digest == msg.Digest && len(list) == msg.Count {
		return &SyncAnswer{Same: true}, nil
	}
	return a, nil
}

// takeOver keeps the records that a neighbour hands over, as far as this node may
// be responsible for them. They are hearsay: they push out nobody whose provider
// came itself, and believed of their addresses is only what the sender can reach.
func (r *records) takeOver(sender *overlay.Contact, server bool, msg *HandOverRequest) (Message, error) {
	m := r.m
	if !server || !r.near(sender.ID) {
		return nil, refused(ErrRange)
	}
	taken := 0
	reach := scope.OfContact(sender)
	for i := range msg.Providers {
		if r.takeProvider(&msg.Providers[i], reach) {
			taken++
		}
	}
	for i := range msg.Values {
		v := &msg.Values[i]
		key := overlay.RawKey(v.Key)
		if !r.responsible(key.ID()) {
			continue
		}
		had := r.values.Get(m.now, key.ID())
		switch ok, err := r.keep(key, v); {
		case ok:
			taken++
		case err == nil && had != nil: // a better one is here, which the sender lacks
			m.ask(sender, &PutValueRequest{Value: m.travelling(had)}, nil)
		}
	}
	if taken > 0 {
		r.keeper.moved() // who else should have them?
	}
	return &HandOverAnswer{Taken: taken}, nil
}

func (r *records) takeProvider(p *ProviderRecord, reach scope.Scope) bool {
	m := r.m
	left := m.cfg.Records.ProviderTTL - p.Age
	switch {
	case p.Provider == nil || p.Provider.Peer == "":
		return false
	case p.Provider.Peer == m.self.Peer:
		if pub := r.publisher.Get(p.Key); pub != nil && !pub.Note.keeper {
			pub.Note.keeper = true
			return true
		}
		return false
	case left <= 0 || !r.responsible(p.Key):
		return false
	}
	before := r.providers.Records()
	for _, have := range r.providers.Get(m.now, p.Key) {
		if have.Contact.Peer == p.Provider.Peer { // what it said itself stands
			return false
		}
	}
	if !r.providers.Room(p.Key) {
		return false
	}
	err := r.providers.Add(p.Key, scope.ContactWithin(p.Provider, reach), m.now.Add(left))
	return err == nil && r.providers.Records() >= before
}

// maxBequest is the most messages that a leaving node sends.
const maxBequest = 64

// bequeath sends the records of this node's range to the node that will be the
// last of those responsible in its place; the others have them. What it keeps for
// nodes before it they will give to its successors themselves.
func (r *records) bequeath() {
	m := r.m
	ring := &m.ring
	n := m.cfg.Copies
	if !m.server || ring.pred == nil || len(ring.succ) < n {
		return // everyone else has them
	}
	list := r.held(ring.pred.ID, m.self.ID, true)
	for range maxBequest {
		if len(list) == 0 {
			return
		}
		msg, k := batch(list)
		m.requests.last++
		m.requests.sent++
		m.emit(overlay.Send{Req: m.requests.last, To: ring.succ[n-1], Msg: msg, Timeout: m.timeout(), OneWay: true})
		list = list[k:]
	}
}
