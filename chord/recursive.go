package chord

import (
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
	"ringswap/overlay/scope"
)

// recursion is the part of a lookup that others make: it is passed on from node
// to node (forward.go), and its result comes from the key's successor. If none
// comes in time, or none that can be believed, the lookup goes on as an iterative
// one; a result that comes later still ends it.
type recursion struct {
	l      *lookup
	query  uint64 // known to those on the way only
	routes []route
	passed []*candidate // who was asked to pass it on, in this order
	over   bool         // given up
	done   bool         // the result came this way
	alarm  *alarm.Alarm // the end of patience
}

// patience is the number of usual timeouts after which an asker gives up waiting
// for a result: nodes on the way need one for each silent node that they meet.
const patience = 3

// distrust is how many times the mean distance between nodes may lie between a key
// and the node that says to be its successor: the chance of that is exp(-64).
const distrust = 64

// recurse passes the lookup on. It reports false if that cannot be: then the
// lookup is an iterative one.
func (l *lookup) recurse() bool {
	m := l.m
	if !m.cfg.Lookup.Recursive || !m.server || l.own || l.want.Point || l.want.N > MaxForwardN || l.owner() != nil {
		return false
	}
	routes := m.routes(l.target, m.self.Peer, nil)
	if len(routes) == 0 {
		return false
	}
	r := &recursion{l: l, query: m.cfg.Rand.Uint64() | 1, routes: routes}
	l.recursion = r
	if m.recursions == nil {
		m.recursions = make(map[uint64]*recursion)
	}
	m.recursions[r.query] = r
	r.alarm = m.after(patience*m.timeout(), r.giveUp)
	r.next()
	return true
}

// giveUp goes on without the others.
func (r *recursion) giveUp() {
	if !r.over && !r.l.ended {
		r.over = true
		r.l.advance()
	}
}

// end is called when the lookup has ended.
func (r *recursion) end() {
	if r != nil {
		r.over = true
		r.l.m.clock.Stop(r.alarm)
		delete(r.l.m.recursions, r.query)
	}
}

// next hands the lookup to the next best node.
func (r *recursion) next() {
	l := r.l
	m := l.m
	if r.over || l.ended {
		return
	}
	if len(r.routes) == 0 || len(r.passed) >= maxTries {
		r.giveUp()
		return
	}
	to := r.routes[0]
	r.routes = r.routes[1:]
	me := *m.self
	me.Addrs = scope.Within(me.Addrs, scope.Audience(me.Addrs, to.c))
	c := &candidate{c: to.c, state: waiting, step: len(l.steps)}
	r.passed = append(r.passed, c)
	sent := m.now.Sub(l.start)
	l.steps = append(l.steps, overlay.Step{To: *to.c, Via: -1, Hop: 1, Sent: sent})
	msg := &ForwardRequest{Key: l.want.Key, N: l.want.N, Query: r.query, Asker: &me, Owner: to.owner, HopsLeft: m.cfg.Lookup.MaxHops}
	m.ask(to.c, msg, func(_ Message, err error) {
		if l.ended {
			return
		}
		step := &l.steps[c.step]
		step.Took, step.Err = m.now.Sub(l.start)-sent, err
		if c.state = replied; err != nil {
			c.state = failed
			r.next()
		}
	})
}

// serveResult takes in the result of a lookup of ours.
func (m *Machine) serveResult(ev *overlay.Inbound, msg *ResultRequest) error {
	r := m.recursions[msg.Query]
	if r == nil || r.l.ended {
		return refused(ErrUnasked)
	}
	if len(msg.Owners) == 0 {
		r.giveUp()
		return nil
	}
	owner := msg.Owners[0]
	if owner == nil || owner.Peer != ev.From.Peer || len(msg.Trace) > MaxTrace {
		return bad(ErrForged, "a result that does not come from the owner it names")
	}
	if err := m.ordered(owner.ID, msg.Owners[1:], false); err != nil {
		return err
	}
	if err := m.admit(owner); err != nil {
		return err
	}
	if s := m.spacing(); s > 0 && fraction(owner.ID.Sub(r.l.target))/s > distrust {
		r.giveUp()
		return refused(ErrRange)
	}
	first := owner
	if len(msg.Trace) > 0 {
		first = msg.Trace[0].Node
	}
	for _, c := range r.passed {
		if first != nil && c.c.Peer == first.Peer {
			r.came(c, owner, msg)
			return nil
		}
	}
	return bad(ErrForged, "a result of a way that this node did not begin")
}

// came ends the lookup with a result that came by way of first. The trace is
// hearsay: it is shown, and nothing else.
func (r *recursion) came(first *candidate, owner *overlay.Contact, msg *ResultRequest) {
	l := r.l
	via := first
	took := l.m.roundTripTo(first.c)
	r.overtaken(first, took, len(msg.Trace) == 0)
	for i := range msg.Trace {
		if i > 0 {
			via = l.shown(msg.Trace[i].Node, via, took)
		}
		took = msg.Trace[i].Took
	}
	o := l.after(owner, nil)
	if o == nil {
		r.giveUp()
		return
	}
	o.step, o.via = first.step, nil
	if len(msg.Trace) > 0 {
		o.step, o.via = l.shown(owner, via, took).step, via
	}
	o.state, o.sure, o.blind, o.next = replied, true, false, msg.Owners
	r.done = true
	l.finish()
}

// overtaken settles the steps of those to whom the lookup was handed and who have
// not acknowledged it yet. A result says that the first on its way has it: usual
// is the round trip to it, unless it is the owner itself, which just answered.
func (r *recursion) overtaken(first *candidate, usual time.Duration, owner bool) {
	for _, c := range r.passed {
		if c.state != waiting {
			continue
		}
		step := &r.l.steps[c.step]
		step.Took = r.l.m.now.Sub(r.l.start) - step.Sent
		switch {
		case c != first:
			step.Err = overlay.ErrCanceled
		case !owner && usual > 0:
			step.Took = min(step.Took, usual)
		}
	}
}

// shown notes a node on the way of a lookup that others passed on. took is the
// round trip to it as the one before said.
func (l *lookup) shown(c *overlay.Contact, via *candidate, took time.Duration) *candidate {
	before := l.steps[via.step]
	at := len(l.steps)
	l.steps = append(l.steps, overlay.Step{
		To: *c, Via: via.step, Hop: before.Hop + 1, Sent: before.Sent + before.Took/2, Took: took, Learned: 1,
	})
	return &candidate{c: c, via: via, step: at, state: replied}
}
