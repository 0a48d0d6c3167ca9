package chord

import (
	"errors"
	"slices"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
)

// lookup is one iterative search for the successor of a key. It asks the node
// that most closely precedes the key, of those it heard of, until one's successor
// list covers the key; then it goes straight to the owner, which confirms that it
// is, or names a newer node in between. Where somebody knows the nodes around the
// key well enough, the owner is asked at once (guess.go). Whoever does not answer
// is passed over: the nodes that earlier answers named beside it are next.
//
// An owner is believed to be one if it lives and either says that its predecessor
// stands before the key, or was named by a node before the key whose successor list
// leads up to it.
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
	guesses      int  // asked without being vouched for
	wide         bool // more nodes are asked for than are wanted: see widen
	ended        bool
	recursion    *recursion   // nil: none
	alarm        *alarm.Alarm // the next request that becomes late
	limit        *alarm.Alarm
}

// goal is what a lookup is for.
type goal interface {
	// over is told once that the lookup has ended, unless it was stopped.
	over(l *lookup)
}

// keyID is the place that a request is about. With Ring.AnyID, so are 32 bytes of
// any key.
func (m *Machine) keyID(q *FindRequest) overlay.ID {
	if (q.Point || m.cfg.Ring.AnyID) && len(q.Key) == overlay.IDBytes {
		return overlay.ID(q.Key)
	}
	return overlay.Place(q.Key)
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
	if !l.recurse() {
		l.advance()
	}
	return l
}

// begin takes in what this node knows itself.
func (l *lookup) begin() {
	m := l.m
	if m.server {
		for _, c := range m.owners(l.target, l.want.N) {
			l.after(c, nil).vouch(nil)
		}
	}
	o := m.odds()
	if g := m.guess(l.target, o, nil); g != nil && len(l.owners) == 0 {
		l.after(g, nil).guess()
	}
	for _, c := range m.index.preceding(nil, l.target, 2*m.cfg.Lookup.Answer, o, nil) {
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

// advance sends what can be sent and ends the lookup if there is nothing left to
// wait for.
func (l *lookup) advance() {
	if l.ended {
		return
	}
	inTime, waited := l.waiting()
	for _, o := range l.owners {
		if o.state == failed || !o.believed() {
			continue
		}
		if o.state == replied {
			if n := o.nearer; n != nil && n.believed() && (n.state == heard || n.state == waiting) {
				l.rearm() // late or not, it is the owner if it answers
				return
			}
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
	if l.own && !waited && l.placed() {
		l.finish()
		return
	}
	if o := l.nextGuess(); o != nil && inTime < l.m.cfg.Lookup.Alpha && l.ask(o, true) {
		o.blind = true
		l.guesses++
		inTime, waited = inTime+1, true
	}
	for _, c := range l.list {
		if inTime >= l.m.cfg.Lookup.Alpha {
			break
		}
		if c.state == heard && l.ask(c, false) {
			inTime, waited = inTime+1, true
		}
	}
	switch {
	case waited:
		l.rearm()
	case l.refill():
		l.advance()
	default:
		l.finish()
	}
}

// placed reports whether a lookup of this node's own place has found who stands
// before it: the nearest that lives has answered, and knows nobody in between.
// Where it takes this node for its successor, no other owner is ever named.
func (l *lookup) placed() bool {
	i := slices.IndexFunc(l.list, func(c *candidate) bool { return c.state != failed })
	return i >= 0 && l.list[i].state == replied && l.list[i].covers
}

// refill is called when nobody is left to be asked: it takes in whom else this
// node knows, those before the key first. Whoever fell silent is no longer known.
func (l *lookup) refill() bool {
	m := l.m
	if l.own || len(l.steps) >= m.cfg.Lookup.MaxRequests {
		return false
	}
	for _, c := range m.index.preceding(nil, l.target, len(m.index.list), nil, nil) {
		if l.before(c, nil) {
			return true
		}
	}
	for i := range m.index.list {
		if c := m.index.list[i].c; l.before(c, nil) {
			return true
		}
	}
	return false
}

// waiting counts the requests that are out and not late, and reports whether any
// is out.
func (l *lookup) waiting() (inTime int, any bool) {
	for _, set := range [2][]*candidate{l.owners, l.list} {
		for _, c := range set {
			if c.state == waiting {
				any = true
				if l.m.now.Before(c.late) {
					inTime++
				}
			}
		}
	}
	return inTime, any
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
	if want.Owner = owner; l.wide {
		want.N = MaxContacts
	}
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
		if c.state = failed; owner {
			l.widen()
		}
		l.advance()
		return
	}
	c.state = replied
	if a := msg.(*FindAnswer); owner {
		l.heardOwner(c, a)
	} else {
		l.heardWay(c, a)
	}
	l.advance()
}

// widen is called when an owner does not answer. If none is left of those that
// are believed to be, the nodes that named them have more in their successor lists,
// and are asked once more.
func (l *lookup) widen() {
	for _, o := range l.owners {
		if o.believed() && o.state != failed {
			return
		}
	}
	if l.wide {
		return
	}
	l.wide = true
	if m := l.m; m.server && !l.own {
		for _, c := range m.owners(l.target, MaxContacts) {
			l.after(c, nil).vouch(nil)
		}
	}
	for _, c := range l.list {
		if c.state == replied && c.covers {
			c.state = heard
		}
	}
}

// heardWay takes in what a node said that was asked for the way.
func (l *lookup) heardWay(c *candidate, a *FindAnswer) {
	step := &l.steps[c.step]
	c.covers = len(a.Owners) > 0
	for _, o := range a.Owners {
		if l.own && o.ID == c.c.ID {
			break // who stands before this place, not who owns it, is to be found
		}
		if !l.learn(o) {
			continue
		}
		known := len(l.owners)
		x := l.after(o, c)
		x.vouch(c)
		if x != nil && o.ID == c.c.ID && x.state == heard { // the key is its own
			x.state, x.step, x.via, x.sure, x.next = replied, c.step, c.via, true, a.Owners
		}
		step.Learned += len(l.owners) - known
	}
	for _, b := range a.Closer {
		switch known := len(l.owners); {
		case !l.learn(b):
		case l.own || between(c.c.ID, b.ID, l.target):
			if l.before(b, c) {
				step.Learned++
			}
		default:
			l.after(b, c).guess()
			step.Learned += len(l.owners) - known
		}
	}
}

// heardOwner takes in what a node said that was asked whether the key is its own.
func (l *lookup) heardOwner(c *candidate, a *FindAnswer) {
	c.next = a.Owners
	c.sure = a.Owner && len(a.Owners) > 0 && a.Owners[0].ID == c.c.ID
	if len(a.Owners) == 0 { // it is not in the ring
		c.state = failed
		return
	}
	if x := l.doubted(a.Owners[0]); x != nil {
		x.state, x.again, c.nearer = heard, true, x
		return
	}
	if o := a.Owners[0]; l.learn(o) && o.ID.Sub(l.target).Compare(c.c.ID.Sub(l.target)) < 0 {
		known := len(l.owners)
		x := l.after(o, c)
		l.steps[c.step].Learned += len(l.owners) - known
		c.nearer = x
		if c.vouched {
			x.vouch(c)
		} else if l.promising(o) {
			x.guess()
		}
	}
}

// doubted is an owner that did not answer in time, and was not asked again yet,
// though its successor names it: an answer may only be late, and without a second
// chance the successor would pass for the owner.
func (l *lookup) doubted(o *overlay.Contact) *candidate {
	i := slices.IndexFunc(l.owners, func(x *candidate) bool { return x.c.ID == o.ID })
	if i < 0 {
		return nil
	}
	if x := l.owners[i]; x.state == failed && !x.again && errors.Is(l.steps[x.step].Err, overlay.ErrTimeout) {
		return x
	}
	return nil
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
