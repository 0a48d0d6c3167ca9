package kademlia

import (
	"math"
	"slices"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
	"ringswap/overlay/scope"
)

// lookup is one iterative search for the nodes nearest to a key (paper, section
// 2.3), with two changes that save most of its requests:
//
// It asks no more than Beta nodes at a time, and only such that are among the
// Beta nearest of those that answer; a request that is out for longer than
// answers usually take no longer counts, and the next node is asked, up to Alpha
// at once. So a healthy network is not flooded and dead nodes cost little time.
//
// It ends when the Beta nearest have answered. Since every node knows all nodes
// of the smallest subtree around itself that holds K of them, each of the
// nearest names all K; the paper's final sweep over all K would only tell which
// of them are alive. The sweep is made when that is in doubt, which the machine
// knows from how many contacts failed lately (see widen), and when the goal
// wants every one of the K asked.
//
// docs/decisions/0002-lookup.md has the measurements.
type lookup struct {
	m       *Machine
	goal    goal
	request *Message
	target  overlay.ID
	want    wants
	start   time.Time
	paths   []*path
	// known are all candidates of a lookup with several paths; one path is told
	// by its own list.
	known map[overlay.ID]*candidate
	spare []candidate // made at once, and not in use yet
	steps []overlay.Step
	// flying are those that were asked and have not answered, in the order of
	// asking; some of them may not be waited for any more.
	flying []*candidate
	// sweeping is set once the Beta nearest have answered and all K are asked.
	sweeping bool
	ended    bool
	alarm    *alarm.Alarm // the next time at which waiting changes something
	limit    *alarm.Alarm // the end of MaxTime
}

// wants is how thorough a lookup is.
type wants struct {
	// sweep asks every one of the K nearest.
	sweep bool
	// trust counts a contact of the table that gave a sign of life so recently
	// as having answered the sweep.
	trust time.Duration
	// patient waits for everyone as long as a request may take.
	patient bool
	// brief never asks more than the Beta nearest, whatever the doubt.
	brief bool
}

// goal is what a lookup is for.
type goal interface {
	// took is told of every answer; true ends the lookup, which has enough.
	took(l *lookup, from *candidate, msg *Message) (enough bool)
	// over is told once that the lookup has ended, unless it was stopped.
	over(l *lookup)
}

// state is how far a lookup is with a node.
type state uint8

const (
	heard    state = iota // not asked yet
	waiting               // asked
	overdue               // asked, and no longer waited for
	answered              // asked, and has answered
	failed                // asked, and will not answer
)

// candidate is a node that a lookup heard of.
type candidate struct {
	c    *overlay.Contact
	dist uint64     // to the target, the first 64 bits
	path *path      // who asked it
	via  *candidate // who told of it first; nil: the routing table
	// When its answer is late, and when it is no longer waited for, counted from
	// the start of the lookup.
	late, hopeless time.Duration
	step           int32 // index in steps, once asked
	// alive and dead count those that it told of first, once that is known.
	alive, dead int32
	state       state
}

// find starts a lookup. extra are contacts to begin with beside the table's.
// It may end before find returns.
func (m *Machine) find(key overlay.Key, kind MessageType, g goal, want wants, extra ...*overlay.Contact) *lookup {
	l := &lookup{
		m: m, goal: g, target: key.ID(), want: want, start: m.now,
		request: &Message{Type: kind, Key: key.Preimage()},
	}
	first := m.table.closest(l.target, m.cfg.K)
	if len(first) == 0 { // rather ask those that were silent than nobody
		first = contactsOf(m.table.nearest(nil, l.target, m.cfg.K, func(*entry) bool { return true }))
	}
	for _, c := range extra {
		if m.admissible(c) && !slices.ContainsFunc(first, func(o *overlay.Contact) bool { return o.ID == c.ID }) {
			first = append(first, c)
		}
	}
	l.paths = l.disjoint(first)
	l.limit = m.after(m.cfg.Lookup.MaxTime, l.finish)
	l.advance()
	return l
}

// advance sends what can be sent and ends the lookup if there is nothing left
// to wait for.
func (l *lookup) advance() {
	for !l.ended {
		busy := false
		for _, p := range l.paths {
			if !l.push(p) {
				busy = true
			}
		}
		if busy {
			l.rearm()
			return
		}
		if !l.widen() {
			l.finish()
		}
	}
}

// push asks the next nodes of a path. It reports whether the path has got what
// it can.
func (l *lookup) push(p *path) (settled bool) {
	cfg := &l.m.cfg.Lookup
	need, width := cfg.Beta, min(cfg.Beta, max(1, cfg.Alpha/len(l.paths)))
	if l.sweeping {
		need, width = l.m.cfg.K, cfg.Alpha
	}
	now := l.elapsed()
	inTime, inAll := l.inFlight(p, now)
	settled = true
	reached := 0
	for _, c := range p.list {
		if reached >= need {
			break
		}
		switch c.state {
		case answered:
			reached++
		case waiting:
			if c.path != p {
				continue // another path minds it
			}
			settled = false
			if now < c.late {
				reached++
			}
		case heard:
			if l.sweeping && l.trusted(c) {
				reached++
				continue
			}
			if len(l.steps) >= cfg.MaxRequests || c.misled() {
				continue
			}
			settled = false
			reached++
			if inTime < width && inAll < cfg.Alpha {
				l.ask(p, c)
				inTime, inAll = inTime+1, inAll+1
			}
		}
	}
	return settled
}

// misled reports whether c comes from a node whose tips are almost all dead: it
// lies, or is long out of date.
func (c *candidate) misled() bool {
	return c.via != nil && c.via.dead >= 6 && c.via.dead > 3*c.via.alive
}

// trusted reports whether the sweep may do without asking c.
func (l *lookup) trusted(c *candidate) bool {
	if l.want.trust <= 0 {
		return false
	}
	e := l.m.table.find(c.c.ID)
	return e != nil && !e.silent() && e.seen.since(stampOf(l.m.now)) <= l.want.trust
}

// elapsed is the time since the lookup's start.
func (l *lookup) elapsed() time.Duration { return l.m.now.Sub(l.start) }

func (l *lookup) ask(p *path, c *candidate) {
	c.c = l.m.table.better(c.c)
	c.state, c.path, c.step = waiting, p, int32(len(l.steps))
	late, hopeless := l.m.requests.limits(&l.m.cfg.Lookup)
	if l.want.patient {
		hopeless = l.m.cfg.Lookup.RequestTimeout
	}
	now := l.elapsed()
	c.late, c.hopeless = now+late, now+hopeless
	step := overlay.Step{To: *c.c, Via: -1, Hop: 1, Sent: now}
	if c.via != nil {
		step.Via, step.Hop = int(c.via.step), l.steps[c.via.step].Hop+1
	}
	l.steps = append(l.steps, step)
	l.flying = append(l.flying, c)
	l.m.ask(c.c, l.request, func(msg *Message, err error) { l.reply(c, msg, err) })
}

// reply takes in the answer of a candidate.
func (l *lookup) reply(c *candidate, msg *Message, err error) {
	l.m.requests.judge(err == nil)
	if l.ended || l.m.closed {
		return
	}
	if i := slices.Index(l.flying, c); i >= 0 {
		l.flying = slices.Delete(l.flying, i, i+1)
	}
	step := &l.steps[c.step]
	step.Took = l.elapsed() - step.Sent
	step.Err = err
	if err != nil {
		l.fail(c)
		c.state = failed
		l.advance()
		return
	}
	c.state = answered
	if c.via != nil {
		c.via.alive++
	}
	step.Learned = l.learn(c, msg.Closer)
	if l.goal.took(l, c, msg) {
		l.finish()
		return
	}
	l.advance()
}

// fail counts a candidate's silence once, for the one who told of it.
func (l *lookup) fail(c *candidate) {
	if c.state == waiting && c.via != nil {
		c.via.dead++
	}
}

// learn takes in the contacts of an answer and returns how many were new.
func (l *lookup) learn(from *candidate, list []*overlay.Contact) (fresh int) {
	reach := scope.OfContact(from.c)
	for _, c := range list[:min(len(list), 2*l.m.cfg.K)] {
		if c.ID == l.m.self.ID {
			continue
		}
		dist := distanceHead(l.target, c.ID)
		i, found := from.path.search(l.target, dist, c.ID)
		if found {
			continue
		}
		cand := l.known[c.ID]
		if cand == nil {
			c = l.usable(c, reach)
			if c == nil {
				continue
			}
			fresh++
			cand = l.newCandidate(c, dist, from)
		}
		from.path.insert(i, cand, 8*l.m.cfg.K)
	}
	return fresh
}

// newCandidate takes note of a node that via told of; nil for the table.
func (l *lookup) newCandidate(c *overlay.Contact, dist uint64, via *candidate) *candidate {
	if len(l.spare) == 0 {
		l.spare = make([]candidate, l.m.cfg.K)
	}
	cand := &l.spare[0]
	l.spare = l.spare[1:]
	cand.c, cand.dist, cand.via = c, dist, via
	if l.known != nil {
		l.known[c.ID] = cand
	}
	return cand
}

// usable is the contact with the addresses that this node can use, given how
// far away the one is who told of it; nil if that leaves nothing to go by.
func (l *lookup) usable(c *overlay.Contact, reach scope.Scope) *overlay.Contact {
	told := scope.ContactWithin(c, reach)
	if (len(told.Addrs) > 0 || l.m.cfg.Table.Addressless) && l.m.admissible(told) {
		return told
	}
	if known := l.m.table.better(c); known != c {
		return known
	}
	return nil
}

// rearm sets the alarm to the next moment at which a request becomes late or
// overdue.
func (l *lookup) rearm() {
	const never = time.Duration(math.MaxInt64)
	next, now := never, l.elapsed()
	for _, c := range l.flying {
		if c.state != waiting {
			continue
		}
		at := c.late
		if now >= at {
			at = c.hopeless
		}
		next = min(next, at)
	}
	if next == never {
		l.m.timers.Stop(l.alarm)
		l.alarm = nil
		return
	}
	at := l.start.Add(next)
	if l.alarm.Pending() && l.alarm.At().Equal(at) {
		return
	}
	l.m.timers.Stop(l.alarm)
	l.alarm = l.m.timers.Set(at, l.wake)
}

// wake gives up on those that are overdue and goes on.
func (l *lookup) wake() {
	now := l.elapsed()
	for _, c := range l.flying {
		if c.state == waiting && now >= c.hopeless {
			l.fail(c)
			c.state = overdue
		}
	}
	l.advance()
}

// finish ends the lookup and tells its goal.
func (l *lookup) finish() {
	if !l.ended {
		l.stop()
		l.goal.over(l)
	}
}

// stop ends the lookup without a word. Requests in flight still teach the
// routing table.
func (l *lookup) stop() {
	if l.ended {
		return
	}
	l.ended = true
	l.m.timers.Stop(l.alarm)
	l.m.timers.Stop(l.limit)
	if len(l.paths) > 1 {
		l.merge()
	}
	for _, c := range l.flying {
		step := &l.steps[c.step]
		step.Took = l.elapsed() - step.Sent
		step.Err = overlay.ErrCanceled
		if c.state == overdue {
			step.Err = overlay.ErrTimeout
		}
	}
	now := stampOf(l.m.now)
	l.m.table.buckets[l.m.table.depthOf(l.target)].looked = now
}
