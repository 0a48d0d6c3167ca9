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
// that is full of contacts that answer is left as it is: pings keep it so, and
// whoever comes by takes the place of one that does not answer.
func (u *upkeep) refreshStale() {
	m := u.m
	if m.table.size == 0 || u.entering {
		return
	}
	near := m.table.nearDepth()
	if near < u.near { // the nearest subtree has grown: there are nodes in it that we do not know
		u.refreshBucket(near, nil)
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
		if (oldest < 0 || b.looked < buckets[oldest].looked) && (d >= near || !b.sound(m.cfg.K)) {
			oldest = d
		}
	}
	if oldest >= 0 && buckets[oldest].looked.since(stampOf(m.now)) >= limit {
		u.refreshBucket(oldest, nil)
	}
}

// refreshEvery is how long a bucket goes without a lookup: Refresh, or the time
// that this node has been in the network, if that is less. A young
// node's table is not complete yet, least of all if everyone is young.
func (u *upkeep) refreshEvery() time.Duration {
	age := u.m.now.Sub(u.joined)
	return min(u.m.cfg.Table.Refresh, max(age, 2*u.every()))
}

// lookSelf looks up this node's own place, and so tells its nearest neighbours
// of it and learns of new ones.
func (u *upkeep) lookSelf() {
	m := u.m
	u.selfLooked = m.now
	m.background.Do(func(done func()) {
		r := &refresh{m: m, depth: -1, then: func(error) { done() }}
		m.find(u.selfKey(), FindNode, r, u.thorough())
	})
}

// refreshBucket looks up a random key in a bucket's range. Where the bucket is
// not full, all of its nodes are to be found and to know us, so all are asked;
// where it is part of the nearest subtree and crowded, it is looked up until
// that brings nobody new. then, which may be nil, is called after that.
func (u *upkeep) refreshBucket(d int, then func()) { u.refreshRepeatedly(d, 1, then) }

func (u *upkeep) refreshRepeatedly(d, attempt int, then func()) {
	m := u.m
	m.background.Do(func(done func()) {
		b := &m.table.buckets[min(d, len(m.table.buckets)-1)]
		b.looked = stampOf(m.now)
		size := len(b.live)
		crowded := d >= m.table.nearDepth() && size >= m.cfg.K/2
		want := wants{patient: true}
		if crowded || size < m.cfg.K {
			want = u.thorough()
		}
		r := &refresh{m: m, depth: d, then: func(error) {
			done()
			if crowded && attempt < maxFill && d < len(m.table.buckets) && len(m.table.buckets[d].live) > size {
				u.refreshRepeatedly(d, attempt+1, then)
			} else if then != nil {
				then()
			}
		}}
		m.find(u.keyAt(d), FindNode, r, want)
	})
}

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
	if r.depth < 0 {
		r.m.upkeep.selfLooked = r.m.now
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
