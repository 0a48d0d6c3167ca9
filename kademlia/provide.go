package kademlia

import (
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
	"ringswap/overlay/record"
	"ringswap/overlay/scope"
)

// publisher keeps the promises of Provide: every key is announced again within
// Reprovide. The keys' turns are spread evenly over that time by their place in
// the keyspace, like a sweep over it, whenever they were first provided; so ten
// thousand keys never come due at once.
type publisher struct {
	m    *Machine
	list []*published
	at   map[overlay.ID]int // index in list
	// origin shifts this node's sweep against everyone else's; 0 until chosen.
	origin time.Duration
}

// published is a key that this node provides.
type published struct {
	key overlay.Key
	// holders is the number of nodes that got the record last time, 0 if it was
	// never announced to anyone.
	holders int
	// radius is the distance of the farthest of K holders: a new node nearer than
	// this should hold the record too. All ones if there were fewer than K.
	radius overlay.ID
	alarm  *alarm.Alarm
	queued bool  // an announcement is running or waiting to
	failed uint8 // announcements in a row that nobody answered
}

// anyDistance is the greatest distance there is.
var anyDistance = func() (d overlay.ID) {
	for i := range d {
		d[i] = 0xff
	}
	return d
}()

const (
	// retry is how soon after a node meets somebody it announces what nobody
	// holds.
	retry = 2 * time.Second
	// retryFirst and retryLast are how soon an announcement that nobody answered
	// is tried again, the first time and in the long run.
	retryFirst, retryLast = time.Minute, time.Hour
)

// get returns the key's entry, or nil.
func (p *publisher) get(id overlay.ID) *published {
	if i, ok := p.at[id]; ok {
		return p.list[i]
	}
	return nil
}

func (p *publisher) add(key overlay.Key) *published {
	if pub := p.get(key.ID()); pub != nil {
		return pub
	}
	if p.at == nil {
		p.at = make(map[overlay.ID]int)
	}
	pub := &published{key: key, radius: anyDistance}
	p.at[key.ID()] = len(p.list)
	p.list = append(p.list, pub)
	return pub
}

// stop ends the announcements of a key.
func (p *publisher) stop(key overlay.Key) {
	i, ok := p.at[key.ID()]
	if !ok {
		return
	}
	p.m.timers.Stop(p.list[i].alarm)
	last := len(p.list) - 1
	p.list[i] = p.list[last]
	p.at[p.list[i].key.ID()] = i
	p.list[last] = nil
	p.list = p.list[:last]
	delete(p.at, key.ID())
}

// schedule sets the key's next turn in the sweep. A turn that comes very soon is
// left out, so the time between two is 1/8 to 9/8 of the interval.
func (p *publisher) schedule(pub *published) {
	m := p.m
	interval := m.cfg.Records.Reprovide
	if p.origin == 0 {
		p.origin = 1 + time.Duration(m.cfg.Rand.Int64N(int64(interval)))
	}
	m.timers.Stop(pub.alarm)
	pub.alarm = m.after(record.Turn(m.now, pub.key.ID(), interval, p.origin), func() { p.announce(pub) })
}

// retryIn brings the key's next announcement forward.
func (p *publisher) retryIn(pub *published, d time.Duration) {
	p.m.timers.Stop(pub.alarm)
	pub.alarm = p.m.after(d, func() { p.announce(pub) })
}

// announce queues an announcement in the background.
func (p *publisher) announce(pub *published) {
	m := p.m
	if pub.queued {
		return
	}
	pub.queued = true
	m.background.do(m, func(done func()) {
		if p.get(pub.key.ID()) != pub { // no longer provided
			pub.queued = false
			done()
			return
		}
		a := &announcement{m: m, pub: pub, then: func(overlay.Result, error) { done() }}
		m.find(pub.key, FindNode, a, wants{})
	})
}

// resume brings forward the announcements of what nobody holds: the node was
// alone, and now there is somebody.
func (p *publisher) resume() {
	for _, pub := range p.list {
		if soon := p.m.now.Add(retry); pub.holders == 0 && !pub.queued &&
			(!pub.alarm.Pending() || pub.alarm.At().After(soon)) {
			p.retryIn(pub, retry)
		}
	}
}

// welcome gives a new contact the records that it should hold.
func (p *publisher) welcome(c *overlay.Contact) {
	m := p.m
	for _, pub := range p.list {
		switch {
		case pub.queued || pub.holders == 0:
		case pub.key.ID().Xor(c.ID).Compare(pub.radius) < 0:
			pub.holders++
			m.outbox.post(m, func() {
				if p.get(pub.key.ID()) == pub {
					p.tell(c, pub.key)
				}
			})
		}
	}
}

// tell announces this node as a provider to one node.
func (p *publisher) tell(to *overlay.Contact, key overlay.Key) {
	m := p.m
	addrs := scope.Within(m.self.Addrs, scope.Audience(m.self.Addrs, to))
	me := &overlay.Contact{ID: m.self.ID, Peer: m.self.Peer, Addrs: addrs}
	m.tell(to, &Message{Type: AddProvider, Key: key.Preimage(), Providers: []*overlay.Contact{me}})
}

// announcement is the goal of a lookup that ends in a provider record at the K
// nearest nodes. Nothing acknowledges a record, so it is over as soon as they
// are sent.
type announcement struct {
	m    *Machine
	pub  *published
	then func(overlay.Result, error)
}

func (a *announcement) took(*lookup, *candidate, *Message) bool { return false }

func (a *announcement) over(l *lookup) {
	m, pub := a.m, a.pub
	pub.queued = false
	res := overlay.Result{Path: l.trace(m.cfg.K)}
	err := l.verdict()
	if m.publisher.get(pub.key.ID()) == pub { // it is still provided
		m.publisher.schedule(pub)
		switch {
		case err == nil:
			pub.failed = 0
			res.Stored = a.store(res.Path.Closest)
		case m.table.size > 0: // all were silent: try again before long
			m.publisher.retryIn(pub, m.jitter(min(retryFirst<<min(pub.failed, 10), retryLast)))
			pub.failed++
		}
	}
	a.then(res, err)
}

// store sends the record to the nearest nodes and returns how many hold it.
func (a *announcement) store(closest []overlay.Contact) int {
	m, pub := a.m, a.pub
	for i := range closest {
		if c := &closest[i]; c.Peer != m.self.Peer { // we always answer with ourselves
			m.publisher.tell(c, pub.key)
		}
	}
	pub.holders, pub.radius = len(closest), anyDistance // all ones: few, so every newcomer is due one
	if n := len(closest); n >= m.cfg.K {
		pub.radius = pub.key.ID().Xor(closest[n-1].ID)
	}
	return len(closest)
}

// provideOp is a Provide.
type provideOp struct {
	m      *Machine
	pub    *published
	lookup *lookup
}

func startProvide(m *Machine, id overlay.OpID, q overlay.Provide) error {
	if err := keyError(q.Key, MaxProviderKey); err != nil {
		return err
	}
	pub := m.publisher.add(q.Key)
	op := &provideOp{m: m, pub: pub}
	m.register(id, op)
	pub.queued = true
	a := &announcement{m: m, pub: pub, then: func(res overlay.Result, err error) { m.finish(id, res, err) }}
	op.lookup = m.find(q.Key, FindNode, a, wants{})
	return nil
}

// stop leaves the key provided: if it was not announced, it will be before long.
func (op *provideOp) stop() overlay.Result {
	if op.lookup != nil && !op.lookup.ended {
		op.pub.queued = false
		if op.m.publisher.get(op.pub.key.ID()) == op.pub && !op.m.closed {
			op.m.publisher.retryIn(op.pub, op.m.jitter(retryFirst))
		}
	}
	return partial(op.lookup, op.m.cfg.K)
}
