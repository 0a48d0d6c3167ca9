package kademlia

import (
	"time"

	"ringswap/overlay"
)

// upkeep is what keeps the table fresh without anybody's asking: periodic, not
// in reaction to failures, and a little at a time, so that churn never makes a
// burst of traffic.
type upkeep struct {
	alarm *alarm
	// seeds are ways into the network, for when the table has nobody left.
	seeds    []*overlay.Contact
	entering bool   // a lookup of our own place is running for join
	again    bool   // and another is wanted after it
	retry    *alarm // the next attempt to enter
	backoff  time.Duration
	// near is the depth of the nearest subtree at the last round: when it has
	// grown there are nodes in it that we do not know.
	near int
	// entered is when this node got into the network.
	entered time.Time
	// selfLooked is when we last looked up our own place.
	selfLooked time.Time
}

const (
	// rounds is the number of upkeep rounds in one Table.Refresh.
	rounds = 30
	// maxPings is the most contacts that are pinged in one round.
	maxPings = 16
	// maxFill is how often in a row a bucket of the nearest subtree is looked up
	// while that brings new contacts.
	maxFill = 8
)

func (m *Machine) upkeepEvery() time.Duration { return m.cfg.Table.Refresh / rounds }

// startUpkeep sets the first round, once.
func (m *Machine) startUpkeep() {
	u := &m.upkeep
	if u.alarm != nil || m.cfg.Table.Refresh < 0 {
		return
	}
	u.selfLooked, u.entered = m.now, m.now
	u.alarm = m.after(m.jitter(m.upkeepEvery()), m.round)
}

// round is one round of upkeep.
func (m *Machine) round() {
	u := &m.upkeep
	u.alarm = m.after(m.jitter(m.upkeepEvery()), m.round)
	m.providers.expire(m.now)
	m.expireValues()
	m.limiter.sweep(m.now, &m.cfg.Limits)
	m.checks.sweep(m.now)
	if len(u.seeds) > 0 && !u.entering && m.alone() && (u.retry == nil || u.retry.index < 0) {
		m.enter()
		return
	}
	m.pingStale()
	m.refreshStale()
}

// alone reports whether no contact of the table answers.
func (m *Machine) alone() bool {
	for d := range m.table.buckets {
		for i := range m.table.buckets[d].live {
			if !m.table.buckets[d].live[i].silent() {
				return false
			}
		}
	}
	return true
}

// pingStale pings contacts that gave no sign of life for long: Refresh, or a
// third of it in the nearest subtree, where it matters most who is alive. Silent
// ones are tried again and again, half as often each time.
func (m *Machine) pingStale() {
	now, refresh := stampOf(m.now), m.cfg.Table.Refresh
	near := m.table.nearDepth()
	var stale []*overlay.Contact
	for d := len(m.table.buckets) - 1; d >= 0; d-- {
		for i := range m.table.buckets[d].live {
			e := &m.table.buckets[d].live[i]
			idle, limit := e.seen.since(now), refresh
			if d >= near {
				limit = refresh / 3
			}
			if e.silent() {
				idle = e.tried.since(now)
				limit = min(refresh, m.upkeepEvery()<<min(e.fails-1, 6))
			}
			if idle >= limit && len(stale) < maxPings {
				stale = append(stale, e.c)
			}
		}
	}
	for _, c := range stale {
		m.ping(c)
	}
}

// refreshStale looks up the bucket that went longest without a lookup, if that
// is long, and our own place in turn with them.
func (m *Machine) refreshStale() {
	u := &m.upkeep
	if m.table.size == 0 || u.entering {
		return
	}
	near := m.table.nearDepth()
	if near < u.near {
		m.refreshBucket(near, nil)
	}
	u.near = near
	limit := m.jitter(m.refreshEvery())
	if m.now.Sub(u.selfLooked) >= limit {
		m.lookSelf()
		return
	}
	now := stampOf(m.now)
	oldest := 0
	for d := range m.table.buckets {
		if m.table.buckets[d].looked < m.table.buckets[oldest].looked {
			oldest = d
		}
	}
	if m.table.buckets[oldest].looked.since(now) >= limit {
		m.refreshBucket(oldest, nil)
	}
}

// refreshEvery is how long a bucket goes without a lookup: Refresh, or half of
// the time that this node has been in the network, if that is less. A young
// node's table is not complete yet, least of all if everyone is young.
func (m *Machine) refreshEvery() time.Duration {
	age := m.now.Sub(m.upkeep.entered)
	return min(m.cfg.Table.Refresh, max(age/2, 2*m.upkeepEvery()))
}

// lookSelf looks up this node's own place, and so tells its nearest neighbours
// of it and learns of new ones.
func (m *Machine) lookSelf() {
	m.upkeep.selfLooked = m.now
	m.later(func(done func()) {
		r := &refresh{m: m, depth: -1, then: func(error) { done() }}
		m.find(m.selfKey(), FindNode, r, m.thorough())
	})
}

// refreshBucket looks up a random key in a bucket's range. Where the bucket is
// not full, all of its nodes are to be found and to know us, so all are asked;
// where it is part of the nearest subtree and crowded, it is looked up until
// that brings nobody new. then, which may be nil, is called after that.
func (m *Machine) refreshBucket(d int, then func()) { m.refreshAgain(d, 1, then) }

func (m *Machine) refreshAgain(d, attempt int, then func()) {
	m.later(func(done func()) {
		b := &m.table.buckets[min(d, len(m.table.buckets)-1)]
		b.looked = stampOf(m.now)
		size := len(b.live)
		crowded := d >= m.table.nearDepth() && size >= m.cfg.K/2
		want := wants{patient: true}
		if crowded || size < m.cfg.K {
			want = m.thorough()
		}
		r := &refresh{m: m, depth: d, then: func(error) {
			done()
			if crowded && attempt < maxFill && d < len(m.table.buckets) && len(m.table.buckets[d].live) > size {
				m.refreshAgain(d, attempt+1, then)
			} else if then != nil {
				then()
			}
		}}
		m.find(m.keyAt(d), FindNode, r, want)
	})
}

// thorough is how everyone in a part of the keyspace is found, and told of us:
// all are asked but those who were in touch a moment ago, and nothing hurries.
func (m *Machine) thorough() wants {
	return wants{sweep: true, trust: m.upkeepEvery(), patient: true}
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
func (m *Machine) keyAt(d int) overlay.Key {
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
	return m.selfKey()
}
