package kademlia

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
	"ringswap/overlay/scope"
)

// checks keeps newcomers out of the table until they have answered a FIND_NODE,
// as the table is what we hand on to others.
type checks struct {
	m        *Machine
	busy     int
	greeting *Message // what hello returns, once made
	// barred are peers that are being checked, or did not answer lately, with the
	// time until which they are not checked again.
	barred map[peer.ID]time.Time
}

// barTime is how long a peer that failed its check is not checked again. maxBarred
// is how many such peers are remembered before hearsay is ignored; no more than
// twice as many are.
const (
	barTime   = time.Minute
	maxBarred = 1024
)

// meet is told of a server that the transport knows to be alive.
func (k *checks) meet(c *overlay.Contact) {
	m := k.m
	if m.closed || !m.admissible(c) {
		return
	}
	c = scope.ContactWithin(c, scope.Loopback) // no more addresses than are ever used
	switch {
	case m.table.touch(stampOf(m.now), c):
	case !m.table.diverse(c):
	case m.table.wants(c.ID):
		k.check(c, false)
	default:
		m.table.offer(stampOf(m.now), c)
		k.makeRoom(c)
	}
}

// check asks a newcomer, which brings it into the table if it answers. One that
// is known by hearsay only may take no more than half of the places, so that
// inventing nodes does not keep real ones out.
func (k *checks) check(c *overlay.Contact, hearsay bool) {
	m := k.m
	places := m.cfg.Table.Checks
	if hearsay {
		places = (places + 1) / 2
	}
	if k.busy >= places || m.now.Before(k.barred[c.Peer]) || hearsay && len(k.barred) >= maxBarred {
		return
	}
	k.bar(c.Peer, m.now.Add(m.cfg.Lookup.RequestTimeout+barTime))
	k.busy++
	m.ask(c, k.hello(), func(msg *Message, err error) {
		k.busy--
		if err != nil {
			k.bar(c.Peer, m.now.Add(barTime))
			return
		}
		delete(k.barred, c.Peer)
		k.hearsay(c, msg)
	})
}

// bar keeps a peer from being checked for a while.
func (k *checks) bar(p peer.ID, until time.Time) {
	if k.barred == nil {
		k.barred = make(map[peer.ID]time.Time)
	}
	if _, there := k.barred[p]; there || len(k.barred) < 2*maxBarred {
		k.barred[p] = until
	}
}

// sweep forgets those whose time is over.
func (k *checks) sweep(now time.Time) {
	for p, until := range k.barred { // the order does not matter: each is judged alone
		if !now.Before(until) {
			delete(k.barred, p)
		}
	}
	if len(k.barred) == 0 {
		k.barred = nil
	}
}

// hello is the request that serves as ping and check: whoever answers it tells
// us of our neighbours.
func (k *checks) hello() *Message {
	if k.greeting == nil {
		k.greeting = &Message{Type: FindNode, Key: []byte(k.m.self.Peer)}
	}
	return k.greeting
}

// ping asks a contact of the table whether it is still there.
func (k *checks) ping(c *overlay.Contact) {
	m := k.m
	e := m.table.find(c.ID)
	wasSilent := e != nil && e.silent()
	m.ask(c, k.hello(), func(msg *Message, err error) {
		if !wasSilent { // or one dead contact would be counted again and again
			m.requests.judge(err == nil)
		}
		if err == nil {
			k.hearsay(c, msg)
		}
	})
}

// makeRoom pings the least recently seen contact of the full bucket that had no
// room for c, if it has been silent for long (paper, section 2.2). If it fails,
// a spare, most likely c, takes its place.
func (k *checks) makeRoom(c *overlay.Contact) {
	m := k.m
	b := &m.table.buckets[m.table.depthOf(c.ID)]
	if b.pinging || len(b.live) == 0 {
		return
	}
	oldest := b.live[0]
	if oldest.seen.since(stampOf(m.now)) < m.cfg.Table.PingAfter {
		return
	}
	b.pinging = true
	m.ask(oldest.c, k.hello(), func(*Message, error) {
		// The bucket may have split meanwhile: both halves may be pinged again.
		m.table.buckets[m.table.depthOf(oldest.c.ID)].pinging = false
	})
}

// hearsay checks the nodes of an answer to hello that belong into the nearest
// subtree, of which every node should be known. The answer names the nearest first.
func (k *checks) hearsay(from *overlay.Contact, msg *Message) {
	m := k.m
	if m.closed {
		return
	}
	near := m.table.nearDepth()
	for _, c := range msg.Closer[:min(len(msg.Closer), m.cfg.K)] {
		if m.self.ID.CommonPrefixLen(c.ID) < near {
			return
		}
		if c = k.told(from, c); c != nil && k.welcome(c) {
			k.check(c, true)
		}
	}
}

// told is a contact that an answer named, with those addresses that we can
// believe; nil if we know it already or can do nothing with it.
func (k *checks) told(by, c *overlay.Contact) *overlay.Contact {
	m := k.m
	if m.table.find(c.ID) != nil || !m.admissible(c) {
		return nil
	}
	if c = scope.ContactWithin(c, scope.OfContact(by)); len(c.Addrs) == 0 && !m.cfg.Table.Addressless {
		return nil
	}
	return c
}

// welcome reports whether a newcomer would be taken into the table now, if it
// answered, and may be asked.
func (k *checks) welcome(c *overlay.Contact) bool {
	t := &k.m.table
	return t.find(c.ID) == nil && t.wants(c.ID) && t.diverse(c) && !k.m.now.Before(k.barred[c.Peer])
}
