package chord

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
	"ringswap/overlay/record"
	"ringswap/overlay/scope"
)

// publisher keeps the promises of Provide: every key is announced again within
// Reprovide, each in its own turn.
type publisher struct {
	m    *Machine
	list []*published
	at   map[overlay.ID]int // index in list
	// origin shifts this node's sweep against everyone else's; 0 until chosen.
	origin  time.Duration
	running int          // announcements that are running
	queue   []*published // and those that wait for one of them to end
}

// published is a key that this node provides.
type published struct {
	key     overlay.Key
	holders int // nodes that keep the record, as of the last announcement
	alarm   *alarm.Alarm
	queued  bool // an announcement is running or waiting to
	// keeper says that this node is one of those that keep the record: as of the
	// last announcement, or because another keeper thinks so.
	keeper bool
	failed int // announcements in a row that nobody took
}

const (
	// resumeAfter is how soon after this node met somebody it announces what
	// nobody holds.
	resumeAfter = 2 * time.Second
	// retryFirst and retryLast are how soon an announcement that nobody took is
	// tried again, the first time and in the long run.
	retryFirst, retryLast = time.Minute, time.Hour
)

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
	pub := &published{key: key}
	p.at[key.ID()] = len(p.list)
	p.list = append(p.list, pub)
	return pub
}

// stop ends the announcements of a key. Its records expire.
func (p *publisher) stop(key overlay.Key) {
	i, ok := p.at[key.ID()]
	if !ok {
		return
	}
	p.m.clock.Stop(p.list[i].alarm)
	last := len(p.list) - 1
	p.list[i] = p.list[last]
	p.at[p.list[i].key.ID()] = i
	p.list[last] = nil
	p.list = p.list[:last]
	delete(p.at, key.ID())
}

// schedule sets the key's next turn, or an earlier attempt if nobody took it.
func (p *publisher) schedule(pub *published) {
	m := p.m
	every := m.cfg.Records.Reprovide
	if p.origin == 0 {
		p.origin = 1 + time.Duration(m.cfg.Rand.Int64N(int64(every)))
	}
	wait := record.Turn(m.now, pub.key.ID(), every, p.origin)
	if pub.holders == 0 {
		wait = min(wait, m.jitter(min(retryFirst<<min(pub.failed, 10), retryLast)))
		pub.failed++
	} else {
		pub.failed = 0
	}
	p.set(pub, wait)
}

func (p *publisher) set(pub *published, wait time.Duration) {
	p.m.clock.Stop(pub.alarm)
	pub.alarm = p.m.after(wait, func() { p.announce(pub) })
}

// resume brings forward the announcements of what nobody holds: this node was
// alone, and now there is somebody.
func (p *publisher) resume() {
	soon := p.m.now.Add(resumeAfter)
	for _, pub := range p.list {
		if pub.holders == 0 && !pub.queued && (!pub.alarm.Pending() || pub.alarm.At().After(soon)) {
			p.set(pub, resumeAfter)
		}
	}
}

// announce queues an announcement in the background.
func (p *publisher) announce(pub *published) {
	if !pub.queued {
		pub.queued = true
		p.queue = append(p.queue, pub)
		p.next()
	}
}

func (p *publisher) next() {
	for p.running < p.m.cfg.Limits.Background && len(p.queue) > 0 && !p.m.closed {
		pub := p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		if p.get(pub.key.ID()) != pub { // no longer provided
			pub.queued = false
			continue
		}
		p.running++
		p.m.deliver(pub.key, p.record(pub.key), func(res overlay.Result, err error) {
			p.running--
			p.announced(pub, res, err)
			p.next()
		})
	}
}

// announced takes in what an announcement came to.
func (p *publisher) announced(pub *published, res overlay.Result, err error) {
	pub.queued = false
	if p.get(pub.key.ID()) != pub {
		return
	}
	if pub.holders = res.Stored; err != nil {
		pub.holders = 0
	}
	pub.keeper = slices.ContainsFunc(res.Path.Closest, func(c overlay.Contact) bool { return c.Peer == p.m.self.Peer })
	p.schedule(pub)
}

// record makes the message for a node that is to keep the key's record.
func (p *publisher) record(key overlay.Key) func(to *overlay.Contact) Message {
	return func(to *overlay.Contact) Message {
		m := p.m
		me := *m.self
		me.Addrs = scope.Within(me.Addrs, scope.Audience(me.Addrs, to))
		return &AddProviderRequest{Key: key.Preimage(), Provider: &me}
	}
}

// startProvide begins a Provide.
func (m *Machine) startProvide(id overlay.OpID, q overlay.Provide) error {
	if err := keyError(q.Key); err != nil {
		return err
	}
	p := &m.records.publisher
	pub := p.add(q.Key)
	pub.queued = true
	op := &recordOp{}
	m.register(id, op)
	op.delivery = m.deliver(q.Key, p.record(q.Key), func(res overlay.Result, err error) {
		p.announced(pub, res, err)
		m.finish(id, res, err)
	})
	op.canceled = func() {
		if pub.queued = false; p.get(q.Key.ID()) == pub && !m.closed {
			p.set(pub, m.jitter(retryFirst)) // it is provided all the same
		}
	}
	return nil
}

// keyError says why a key cannot be looked up.
func keyError(k overlay.Key) error {
	if n := len(k.Preimage()); n == 0 || n > MaxKey {
		return bad(ErrBounds, "a key of %d bytes", n)
	}
	return nil
}

// delivery brings a record to the nodes responsible for its key.
type delivery struct {
	m       *Machine
	lookup  *lookup
	make    func(to *overlay.Contact) Message
	res     overlay.Result
	waiting int
	ended   bool
	then    func(overlay.Result, error)
}

// deliver looks up the nodes responsible for key and sends each what msg makes
// for it. This node itself, if it is one of them, counts as stored. then is called
// once at the end, unless it is stopped before.
func (m *Machine) deliver(key overlay.Key, msg func(*overlay.Contact) Message, then func(overlay.Result, error)) *delivery {
	d := &delivery{m: m, make: msg, then: then}
	d.lookup = m.find(FindRequest{Key: key.Preimage(), N: m.cfg.Copies}, d, nil, false)
	return d
}

// over implements goal.
func (d *delivery) over(l *lookup) {
	m := d.m
	d.res.Path = l.trace()
	if err := l.verdict(); err != nil {
		d.end(err)
		return
	}
	for i := range d.res.Path.Closest {
		c := &d.res.Path.Closest[i]
		if c.Peer == m.self.Peer {
			d.res.Stored++
			continue
		}
		d.waiting++
		m.ask(c, d.make(c), func(_ Message, err error) {
			if d.waiting--; err == nil {
				d.res.Stored++
			}
			d.settle()
		})
	}
	d.settle()
}

func (d *delivery) settle() {
	switch {
	case d.waiting > 0 || d.ended:
	case d.res.Stored == 0:
		d.end(overlay.ErrRefused)
	default:
		d.end(nil)
	}
}

func (d *delivery) end(err error) {
	if !d.ended {
		d.ended = true
		d.then(d.res, err)
	}
}

// recordOp is a running Provide or PutValue.
type recordOp struct {
	delivery *delivery
	canceled func()
}

func (op *recordOp) stop() overlay.Result {
	d := op.delivery
	if d == nil {
		return overlay.Result{}
	}
	if d.ended = true; !d.lookup.ended {
		d.lookup.stop()
		d.res.Path = d.lookup.trace()
	}
	if op.canceled != nil {
		op.canceled()
	}
	return d.res
}

// searchOp is a FindProviders: all nodes responsible for the key are asked, since
// each may know providers that the others lack.
type searchOp struct {
	m       *Machine
	id      overlay.OpID
	limit   int
	key     overlay.Key
	lookup  *lookup
	path    overlay.Path
	shown   map[peer.ID]bool
	bare    []*overlay.Contact // found without an address so far
	waiting int
}

func (m *Machine) startSearch(id overlay.OpID, q overlay.FindProviders) error {
	if err := keyError(q.Key); err != nil {
		return err
	}
	op := &searchOp{m: m, id: id, limit: q.Limit, key: q.Key, shown: make(map[peer.ID]bool)}
	m.register(id, op)
	if m.records.publisher.get(q.Key.ID()) != nil && op.show(m.self) {
		return nil
	}
	for _, p := range m.records.providers.Get(m.now, q.Key.ID()) {
		if op.offer(p.Contact) {
			return nil
		}
	}
	op.lookup = m.find(FindRequest{Key: q.Key.Preimage(), N: m.cfg.Copies}, op, nil, false)
	return nil
}

// offer shows a provider unless it was shown before. One without addresses is
// held back: another node may know where it is.
func (op *searchOp) offer(c *overlay.Contact) (enough bool) {
	if c == nil || c.Peer == "" || op.shown[c.Peer] {
		return false
	}
	if len(c.Addrs) == 0 {
		if e := op.m.index.find(c.ID); e != nil {
			c = e.c
		}
	}
	if len(c.Addrs) == 0 && !op.m.cfg.Ring.Addressless {
		op.bare = append(op.bare, c)
		return false
	}
	return op.show(c)
}

// show emits a provider, and the end if it was the last one wanted.
func (op *searchOp) show(c *overlay.Contact) (enough bool) {
	op.shown[c.Peer] = true
	op.m.emit(overlay.Found{Op: op.id, Provider: *c})
	if op.limit > 0 && len(op.shown) == op.limit {
		op.m.finish(op.id, op.stop(), nil)
		return true
	}
	return false
}

// over implements goal.
func (op *searchOp) over(l *lookup) {
	m := op.m
	op.path = l.trace()
	if err := l.verdict(); err != nil {
		op.end(err)
		return
	}
	for i := range op.path.Closest {
		c := &op.path.Closest[i]
		if c.Peer == m.self.Peer {
			continue
		}
		op.waiting++
		m.ask(c, &GetProvidersRequest{Key: op.key.Preimage()}, func(msg Message, err error) { op.took(c, msg, err) })
	}
	if op.waiting == 0 {
		op.end(nil)
	}
}

func (op *searchOp) took(from *overlay.Contact, msg Message, err error) {
	if op.m.ops[op.id] != operation(op) {
		return
	}
	op.waiting--
	if err == nil {
		reach := scope.OfContact(from)
		for _, c := range msg.(*GetProvidersAnswer).Providers {
			if op.offer(scope.ContactWithin(c, reach)) {
				return
			}
		}
	}
	if op.waiting == 0 {
		op.end(nil)
	}
}

func (op *searchOp) end(err error) {
	for _, c := range op.bare {
		if !op.shown[c.Peer] && op.show(c) {
			return
		}
	}
	if len(op.shown) > 0 {
		err = nil
	} else if err == nil {
		err = overlay.ErrNotFound
	}
	op.m.finish(op.id, overlay.Result{Path: op.path}, err)
}

func (op *searchOp) stop() overlay.Result {
	if op.lookup != nil && !op.lookup.ended {
		op.lookup.stop()
		op.path = op.lookup.trace()
	}
	return overlay.Result{Path: op.path}
}
