package chord

import (
	"slices"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
)

// lookup is one iterative search for the successor of a key. It asks the node
// that most closely precedes the key, of those it heard of, until one's successor
// list covers the key; then it goes straight to the owner, which confirms that it
// is, or names a newer node in between. Whoever does not answer is passed over:
// the nodes that earlier answers named beside it are next.
type lookup struct {
	m      *Machine
	goal   goal
	want   FindRequest // what each node is asked; Owner aside
	target overlay.ID
	start  time.Time
	// list are the nodes to be asked for the way, by distance before the target;
	// owners those that may be its successor, by distance after it.
	list, owners []*candidate
	steps        []overlay.Step
	own          bool // of this node's own place: it does not count itself
	ended        bool
	alarm        *alarm.Alarm // the next request that becomes late
	limit        *alarm.Alarm
}

// goal is what a lookup is for.
type goal interface {
	// over is told once that the lookup has ended, unless it was stopped.
	over(l *lookup)
}

// state is how far a lookup is with a node.
type state uint8

const (
	heard   state = iota // not asked yet
	waiting              // asked
	replied              // asked, and has answered
	failed               // asked, and will not answer
)

// candidate is a node that a lookup heard of.
type candidate struct {
	c     *overlay.Contact
	state state
	via   *candidate // who told of it first; nil: known from the start
	step  int        // index in steps, once asked
	late  time.Time
	// next is what an owner named from the key on, itself included.
	next []*overlay.Contact
}

// keyID is the place that a request is about. With Ring.AnyID, so are 32 bytes of
// any key.
func (m *Machine) keyID(q *FindRequest) overlay.ID {
	if (q.Point || m.cfg.Ring.AnyID) && len(q.Key) == overlay.IDBytes {
		return overlay.ID(q.Key)
	}
	return overlay.RawKey(q.Key).ID()
}

// find starts a lookup of the n nodes from key on. extra are contacts to begin
// with; a lookup of this node's own place uses no others if it has any.
func (m *Machine) find(want FindRequest, g goal, extra []*overlay.Contact, own bool) *lookup {
	l := &lookup{m: m, goal: g, want: want, target: m.keyID(&want), start: m.now, own: own}
	for _, c := range extra {
		if m.admit(c) == nil {
			l.before(c, nil)
		}
	}
	if !own || len(extra) == 0 {
		l.begin()
	}
	l.limit = m.after(m.cfg.Lookup.MaxTime, l.finish)
	l.advance()
	return l
}

// begin takes in what this node knows itself.
func (l *lookup) begin() {
	m := l.m
	if m.server {
		for _, c := range m.owners(l.target, l.want.N) {
			l.after(c, nil)
		}
	}
	for _, c := range m.index.preceding(nil, l.target, 2*m.cfg.Lookup.Answer, nil) {
		l.before(c, nil)
	}
	if len(l.list) == 0 && len(l.owners) == 0 {
		for _, c := range m.ring.seeds {
			l.before(c, nil)
		}
		for i := range m.index.list {
			l.before(m.index.list[i].c, nil)
		}
	}
}

// before takes in a node to be asked for the way; it reports whether it is new.
func (l *lookup) before(c *overlay.Contact, via *candidate) bool {
	const most = 64
	d := l.target.Sub(c.ID)
	i, found := slices.BinarySearchFunc(l.list, d, func(x *candidate, d overlay.ID) int {
		return l.target.Sub(x.c.ID).Compare(d)
	})
	if found || i >= most || c.Peer == l.m.self.Peer || d.IsZero() {
		return false
	}
	l.list = slices.Insert(l.list, i, &candidate{c: c, via: via})
	return true
}

// after takes in a node that may be the key's successor.
func (l *lookup) after(c *overlay.Contact, via *candidate) bool {
	if c.Peer == l.m.self.Peer && (l.own || !l.m.server) {
		return false
	}
	d := c.ID.Sub(l.target)
	i, found := slices.BinarySearchFunc(l.owners, d, func(x *candidate, d overlay.ID) int {
		return x.c.ID.Sub(l.target).Compare(d)
	})
	if found || i >= MaxContacts {
		return false
	}
	o := &candidate{c: c, via: via}
	if c.Peer == l.m.self.Peer {
		o.state, o.next = replied, chain(c, l.m.ring.succ)
	}
	l.owners = slices.Insert(l.owners, i, o)
	return true
}

// advance sends what can be sent and ends the lookup if there is nothing left to
// wait for.
func (l *lookup) advance() {
	if l.ended {
		return
	}
	inTime, waited := 0, false
	for _, set := range [2][]*candidate{l.owners, l.list} {
		for _, c := range set {
			if c.state == waiting {
				waited = true
				if l.m.now.Before(c.late) {
					inTime++
				}
			}
		}
	}
	for _, o := range l.owners {
		if o.state == failed {
			continue
		}
		if o.state == replied {
			l.finish()
			return
		}
		if o.state == heard && inTime == 0 {
			if !l.ask(o, true) {
				break
			}
			inTime, waited = inTime+1, true
		}
		if o.state == waiting && l.m.now.Before(o.late) {
			l.rearm()
			return
		}
	}
	for _, c := range l.list {
		if inTime >= l.m.cfg.Lookup.Alpha {
			break
		}
		if c.state == heard && l.ask(c, false) {
			inTime, waited = inTime+1, true
		}
	}
	if !waited {
		l.finish()
		return
	}
	l.rearm()
}

// ask sends the request to a candidate.
func (l *lookup) ask(c *candidate, owner bool) bool {
	m := l.m
	if len(l.steps) >= m.cfg.Lookup.MaxRequests {
		return false
	}
	c.state, c.step, c.late = waiting, len(l.steps), m.late()
	step := overlay.Step{To: *c.c, Via: -1, Hop: 1, Sent: m.now.Sub(l.start)}
	if c.via != nil {
		step.Via, step.Hop = c.via.step, l.steps[c.via.step].Hop+1
	}
	l.steps = append(l.steps, step)
	want := l.want
	want.Owner = owner
	m.ask(c.c, &want, func(msg Message, err error) { l.reply(c, owner, msg, err) })
	return true
}

// late is when an answer to a request that is sent now would be late.
func (m *Machine) late() time.Time {
	hurry := m.cfg.Lookup.Hurry
	if usual := m.requests.trip.Usual(); hurry >= 0 && usual > 0 {
		return m.now.Add(max(hurry, usual))
	}
	return m.now.Add(m.cfg.Lookup.RequestTimeout)
}

// reply takes in the answer of a candidate.
func (l *lookup) reply(c *candidate, owner bool, msg Message, err error) {
	if l.ended {
		return
	}
	step := &l.steps[c.step]
	step.Took, step.Err = l.m.now.Sub(l.start)-step.Sent, err
	if err != nil {
		c.state = failed
		l.advance()
		return
	}
	c.state = replied
	a := msg.(*FindAnswer)
	for _, o := range a.Owners {
		if l.learn(o) && l.after(o, c) {
			step.Learned++
		}
	}
	if owner {
		c.next = a.Owners
	}
	for _, b := range a.Closer {
		if l.learn(b) && (l.own || between(c.c.ID, b.ID, l.target)) && l.before(b, c) {
			step.Learned++
		}
	}
	l.advance()
}

// learn reports whether a contact that somebody named can be used.
func (l *lookup) learn(c *overlay.Contact) bool {
	m := l.m
	if c != nil && c.Peer == m.self.Peer {
		return true // after and before know what to do with it
	}
	if err := m.admit(c); err != nil {
		m.refused.count(err)
		return false
	}
	return !m.memory.justLost(c.ID)
}

// rearm sets the alarm to when the next request becomes late.
func (l *lookup) rearm() {
	if l.m.cfg.Lookup.Hurry < 0 {
		return
	}
	var next time.Time
	for _, set := range [2][]*candidate{l.owners, l.list} {
		for _, c := range set {
			if c.state == waiting && l.m.now.Before(c.late) && (next.IsZero() || c.late.Before(next)) {
				next = c.late
			}
		}
	}
	if l.alarm.Pending() && l.alarm.At().Equal(next) {
		return
	}
	l.m.clock.Stop(l.alarm)
	l.alarm = nil
	if !next.IsZero() {
		l.alarm = l.m.clock.Set(next, l.advance)
	}
}

// finish ends the lookup and tells its goal.
func (l *lookup) finish() {
	if !l.ended {
		l.stop()
		l.goal.over(l)
	}
}

// stop ends the lookup without a word.
func (l *lookup) stop() {
	if l.ended {
		return
	}
	l.ended = true
	l.m.clock.Stop(l.alarm)
	l.m.clock.Stop(l.limit)
	for _, set := range [2][]*candidate{l.owners, l.list} {
		for _, c := range set {
			if c.state == waiting {
				step := &l.steps[c.step]
				step.Took, step.Err = l.m.now.Sub(l.start)-step.Sent, overlay.ErrCanceled
			}
		}
	}
}

// owner is the confirmed successor of the key, nil if there is none.
func (l *lookup) owner() *candidate {
	for _, o := range l.owners {
		if o.state == replied {
			return o
		}
	}
	return nil
}

// trace is the course of an ended lookup with what it found.
func (l *lookup) trace() overlay.Path {
	path := overlay.Path{Key: l.target, Steps: l.steps}
	o := l.owner()
	if o == nil {
		return path
	}
	if o.via != nil {
		path.Hops = l.steps[o.via.step].Hop
	}
	path.Closest = append(path.Closest, *o.c)
	last := o.c.ID.Sub(l.target)
	for _, c := range o.next {
		if d := c.ID.Sub(l.target); len(path.Closest) < l.want.N && d.Compare(last) > 0 && l.lives(c) {
			path.Closest, last = append(path.Closest, *c), d
		}
	}
	return path
}

// lives reports whether nothing speaks against c's being alive.
func (l *lookup) lives(c *overlay.Contact) bool {
	i := slices.IndexFunc(l.owners, func(o *candidate) bool { return o.c.ID == c.ID })
	return (i < 0 || l.owners[i].state != failed) && !l.m.memory.justLost(c.ID)
}

// verdict is the error of an ended lookup.
func (l *lookup) verdict() error {
	switch {
	case len(l.steps) == 0 && len(l.m.index.list) == 0:
		return overlay.ErrNoPeers
	case l.owner() == nil:
		return overlay.ErrTimeout
	}
	return nil
}
