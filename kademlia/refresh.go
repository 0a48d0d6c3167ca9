package kademlia

import (
	"time"

	"ringswap/overlay"
)

// maxFill is how often in a row a bucket of the nearest subtree is looked up
// while that brings new contacts.
const maxFill = 8

// refreshStale looks up the bucket that went longest without a lookup, if that
// is long, and our own place in turn with them. Outside the nearest subtree one
// with enough contacts that answer is left as it is: pings keep it so, and
// whoever comes by takes the place of one that does not answer.
func (u *upkeep) refreshStale() {
	m := u.m
	if m.table.size == 0 || u.entering {
		return
	}
	near := m.table.nearDepth()
	if near < u.near { // the nearest subtree has grown: there are nodes in it that we do not know
		u.fillBucket(near, func() {})
	}
	u.near = near
	limit := m.jitter(u.refreshEvery())
	if m.now.Sub(u.selfLooked) >= limit {
		u.lookSelf()
		return
	}
	oldest, buckets := -1, m.table.buckets
	for d := range buckets {
		b := &buckets[d]
		if (oldest < 0 || b.looked < buckets[oldest].looked) && (d >= near || b.answering() < u.enough()) {
			oldest = d
		}
	}
	switch {
	case oldest < 0 || buckets[oldest].looked.since(stampOf(m.now)) < limit:
	case oldest < near:
		u.survey(oldest)
	default:
		u.refreshBucket(oldest)
	}
}

// refreshEvery is how long a bucket goes without a lookup: Refresh, or the time
// that this node has been in the network, if that is less. A young
// node's table is not complete yet, least of all if everyone is young.
func (u *upkeep) refreshEvery() time.Duration {
	age := u.m.now.Sub(u.joined)
	return min(u.m.cfg.Table.Refresh, max(age, 2*u.every()))
}

// lookSelf looks up this node's own place, and so learns of new neighbours.
func (u *upkeep) lookSelf() {
	m := u.m
	u.selfLooked = m.now
	m.background.Do(func(done func()) {
		r := &refresh{m: m, depth: -1, then: func(error) { done() }}
		m.find(u.selfKey(), FindNode, r, brief)
	})
}

// refreshBucket looks up a random key in the range of a bucket of the nearest
// subtree, to learn of nodes that have come meanwhile.
func (u *upkeep) refreshBucket(d int) {
	m := u.m
	m.background.Do(func(done func()) {
		m.table.buckets[min(d, len(m.table.buckets)-1)].looked = stampOf(m.now)
		m.find(u.keyAt(d), FindNode, &refresh{m: m, depth: d, then: func(error) { done() }}, brief)
	})
}

// fillBucket finds all nodes in the range of a bucket of the nearest subtree and
// makes us known to them: all near a random key are asked, and near another one
// while that brings somebody new and the bucket is crowded. then is called after that.
func (u *upkeep) fillBucket(d int, then func()) { u.fillRepeatedly(d, 1, then) }

func (u *upkeep) fillRepeatedly(d, attempt int, then func()) {
	m := u.m
	m.background.Do(func(done func()) {
		b := &m.table.buckets[min(d, len(m.table.buckets)-1)]
		b.looked = stampOf(m.now)
		size := len(b.live)
		crowded := size >= m.cfg.K/2
		r := &refresh{m: m, depth: d, then: func(error) {
			done()
			if crowded && attempt < maxFill && d < len(m.table.buckets) && len(m.table.buckets[d].live) > size {
				u.fillRepeatedly(d, attempt+1, then)
			} else {
				then()
			}
		}}
		m.find(u.keyAt(d), FindNode, r, u.thorough())
	})
}

// brief is how newcomers in a part of the keyspace are found: those nearest to
// the key know them, and whom they name and we do not know is checked. Who is still
// alive is for the pings to find out.
var brief = wants{patient: true, brief: true}

// thorough is how everyone in a part of the keyspace is found, and told of us:
// all are asked but those who were in touch since the last time or so, and nothing
// hurries.
func (u *upkeep) thorough() wants {
	return wants{sweep: true, trust: u.refreshEvery() / 2, patient: true}
}

// refresh is the goal of a lookup that is made for the table's sake.
type refresh struct {
	m     *Machine
	depth int // of the bucket, -1 for our own place
	then  func(error)
}

func (r *refresh) took(*lookup, *candidate, *Message) bool { return false }

func (r *refresh) over(l *lookup) {
	m := r.m
	if r.depth < 0 {
		m.upkeep.selfLooked = m.now
	}
	if l.want.brief { // who was named and not asked
		near := m.table.nearDepth()
		for _, c := range l.paths[0].list {
			if c.state == heard && m.self.ID.CommonPrefixLen(c.c.ID) >= near && m.checks.welcome(c.c) {
				m.checks.check(c.c, true)
			}
		}
	}
	r.then(l.verdict())
}

// keyAt is a random key at depth d: one that shares exactly d leading bits with
// this node. Its pre-image has to be searched for, since the wire carries that
// and not the key; it takes 2^(d+1) hashes on average. Beyond what is quickly
// found, the place of a known contact at that depth serves as well, and where
// there is none our own.
func (u *upkeep) keyAt(d int) overlay.Key {
	m := u.m
	const easy = 8
	if d <= easy {
		pre := []byte{0x00, 8, 0, 0, 0, 0, 0, 0, 0, 0} // an identity multihash, as in a peer ID
		for range 16 << easy {
			v := m.cfg.Rand.Uint64()
			for i := range 8 {
				pre[2+i] = byte(v >> (8 * i))
			}
			if k := overlay.RawKey(pre); k.ID().CommonPrefixLen(m.self.ID) == d {
				return k
			}
		}
	}
	if live := m.table.buckets[min(d, len(m.table.buckets)-1)].live; len(live) > 0 {
		return overlay.PeerKey(live[m.cfg.Rand.IntN(len(live))].c.Peer)
	}
	return u.selfKey()
}
