package kademlia

import (
	"ringswap/overlay"
	"ringswap/overlay/publish"
	"ringswap/overlay/scope"
)

// published is a key that this node provides.
type published = publish.Key[holding]

// holding is what is known of the holders of a key's record.
type holding struct {
	// radius is the distance of the farthest of K holders: a new node nearer than
	// this should hold the record too. All ones if there are fewer than K.
	radius overlay.ID
}

// anyDistance is the greatest distance there is.
var anyDistance = func() (d overlay.ID) {
	for i := range d {
		d[i] = 0xff
	}
	return d
}()

// welcome gives a new contact the provider records that it should hold.
func (m *Machine) welcome(c *overlay.Contact) {
	for pub := range m.publisher.All() {
		if pub.Busy() || pub.Holders == 0 || pub.ID().Xor(c.ID).Compare(pub.Note.radius) >= 0 {
			continue
		}
		pub.Holders++
		m.outbox.post(m, func() {
			if m.publisher.Provides(pub) {
				m.provideTo(c, pub.Key)
			}
		})
	}
}

// provideTo announces this node as a provider to one node.
func (m *Machine) provideTo(to *overlay.Contact, key overlay.Key) {
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

// announce begins an announcement and calls then at its end.
func (m *Machine) announce(pub *published, then func(overlay.Result, error)) *lookup {
	return m.find(pub.Key, FindNode, &announcement{m: m, pub: pub, then: then}, wants{})
}

func (a *announcement) took(*lookup, *candidate, *Message) bool { return false }

func (a *announcement) over(l *lookup) {
	m, pub := a.m, a.pub
	res := overlay.Result{Path: l.trace(m.cfg.K)}
	err := l.verdict()
	m.publisher.Ended(pub, err != nil && m.table.size > 0) // with nobody to tell, there is no need to hurry
	if err == nil && m.publisher.Provides(pub) {
		res.Stored = a.store(res.Path.Closest)
	}
	a.then(res, err)
}

// store sends the record to the nearest nodes and returns how many hold it.
func (a *announcement) store(closest []overlay.Contact) int {
	m, pub := a.m, a.pub
	for i := range closest {
		if c := &closest[i]; c.Peer != m.self.Peer { // we always answer with ourselves
			m.provideTo(c, pub.Key)
		}
	}
	pub.Holders, pub.Note.radius = len(closest), anyDistance // all ones: few, so every newcomer is due one
	if n := len(closest); n >= m.cfg.K {
		pub.Note.radius = pub.ID().Xor(closest[n-1].ID)
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
	op := &provideOp{m: m, pub: m.publisher.Begin(q.Key)}
	m.ops.Add(id, op)
	op.lookup = m.announce(op.pub, func(res overlay.Result, err error) { m.ops.Finish(id, res, err) })
	return nil
}

// Stop leaves the key provided: if it was not announced, it will be before long.
func (op *provideOp) Stop() overlay.Result {
	if op.lookup != nil && !op.lookup.ended {
		op.m.publisher.Abandoned(op.pub)
	}
	return partial(op.lookup, op.m.cfg.K)
}
