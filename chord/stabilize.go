package chord

import (
	"slices"

	"ringswap/overlay"
)

// round is one round of upkeep of the ring.
func (r *ring) round() {
	m := r.m
	r.tempo.pace = max(min(r.tempo.pace*3/2, r.rest()), m.cfg.Ring.Eager)
	r.schedule(r.tempo.pace)
	m.limiter.Sweep(m.now)
	m.forwarder.sweep()
	if !m.server {
		return
	}
	r.checkPredecessor()
	r.checkList()
	r.stabilize()
}

// stabilize is Zave's: it reads the first successor's neighbours, takes over its
// list, and adopts its predecessor if that stands in between and lives.
func (r *ring) stabilize() {
	if r.stabilizing {
		return
	}
	r.changed = false
	if len(r.succ) == 0 {
		r.begin()
		return
	}
	r.stabilizing = true
	r.approach()
}

// approach is one step of a stabilization. Where nodes come by the dozen, the one
// that it adopts may have got a nearer predecessor, too; then the next step
// follows at once, unless upkeep is to be as slow as the papers'. There is an end
// to it, since each one comes nearer.
func (r *ring) approach() {
	m := r.m
	if len(r.succ) == 0 {
		r.settled()
		return
	}
	s := r.succ[0]
	known := r.known(s)
	m.ask(s, &NeighboursRequest{Known: known}, func(msg Message, err error) {
		if err != nil {
			// s has been dropped from the list already; the next one is read soon,
			// which ends in its being notified.
			r.settled()
			return
		}
		a := msg.(*NeighboursAnswer)
		if len(r.succ) > 0 && r.succ[0].ID == s.ID && !r.takeOver(s, a, known) {
			r.settled()
			return
		}
		x := a.Predecessor
		if x != nil && x.ID == m.self.ID && !r.moved {
			r.settled() // it knows of us
			return
		}
		if x == nil || m.admit(x) != nil || len(r.succ) == 0 || !between(m.self.ID, x.ID, r.succ[0].ID) || m.memory.justLost(x.ID) {
			r.notify()
			return
		}
		r.adopt(x, func(adopted bool) {
			switch {
			case adopted && r.hurries():
				r.approach()
			case adopted:
				r.settled()
			default:
				r.notify()
			}
		})
	})
}

// hurries reports whether a change is followed up at once.
func (r *ring) hurries() bool {
	c := &r.m.cfg.Ring
	return c.Stabilize >= 0 && c.Eager < c.Stabilize
}

// begin is what takes the place of a stabilization while there is no successor:
// the predecessor, if there is one, shows the way into its ring.
func (r *ring) begin() {
	if r.pred == nil {
		r.alone()
		return
	}
	r.stabilizing = true
	r.joinThrough([]*overlay.Contact{r.pred}, func(bool) { r.settled() })
}

// known is the version of s's list from which ours was made.
func (r *ring) known(s *overlay.Contact) uint64 {
	if r.readFrom == s.ID {
		return r.read
	}
	return 0
}

// takeOver makes the list of a live first successor ours; known is the version of
// it that the answer supposes us to have. It reports whether that node is in the
// ring. One that is not lives, but has just been started again, or has lost all
// its own: unless we have no other either, it is no successor.
func (r *ring) takeOver(s *overlay.Contact, a *NeighboursAnswer, known uint64) bool {
	if known != 0 && a.Version == known && len(a.Successors) == 0 {
		return true // what we have was made of it, or will be read anew
	}
	if len(a.Successors) == 0 && len(r.succ) > 1 {
		r.setSuccessors(r.succ[1:])
		return false
	}
	list := chain(s, a.Successors)
	rest := slices.DeleteFunc(list[1:], func(c *overlay.Contact) bool { return r.m.memory.justLost(c.ID) })
	whole := len(rest) == len(a.Successors)
	stranger := r.stranger(rest)
	r.setSuccessors(list[:1+len(rest)])
	if whole {
		r.read, r.readFrom = a.Version, s.ID
	}
	if stranger != nil {
		r.compare(stranger, nil)
	}
	return true
}

// adopt makes x the first successor if it stands before the present one, lives,
// and is in the ring itself: it has a list, or it is alone and so are we. That
// is the second half of Zave's stabilize. It is as right for an x that was heard
// of in another way, since x's list and the way from here to x skip nobody whom
// x's list and the way to the present successor do not skip already.
func (r *ring) adopt(x *overlay.Contact, then func(adopted bool)) {
	m := r.m
	m.ask(x, &NeighboursRequest{}, func(msg Message, err error) {
		if err != nil || !m.server {
			then(false)
			return
		}
		a := msg.(*NeighboursAnswer)
		fits := len(r.succ) == 0 || between(m.self.ID, x.ID, r.succ[0].ID)
		member := len(a.Successors) > 0 || len(r.succ) == 0
		if !fits || !member {
			then(false)
			return
		}
		r.takeOver(x, a, 0)
		m.ask(x, &NotifyRequest{}, nil)
		if r.hurries() {
			r.soon()
			r.tell()
		}
		then(true)
	})
}

// notify tells the first successor of us, unless it knows, and ends a
// stabilization.
func (r *ring) notify() {
	if len(r.succ) > 0 {
		r.m.ask(r.succ[0], &NotifyRequest{}, nil)
	}
	r.moved = false
	r.settled()
}

func (r *ring) settled() {
	r.stabilizing = false
	if r.changed {
		r.soon()
	}
	r.tell()
}

// tell lets the predecessor know that there is a new list to be read. A list is
// made of the next one's, so what changes at one place has to go from node to
// node through r of them; the next one need not wait for its turn.
func (r *ring) tell() {
	m := r.m
	if r.told != r.version && r.pred != nil && r.hurries() {
		r.told = r.version
		m.ask(r.pred, &PingRequest{Changed: true}, nil)
	}
}

// hint is told that a node's list or predecessor has changed. A short wait takes
// in what changes with it. A server that would be our successor, if we knew it,
// takes that place if it lives and is in the ring.
func (r *ring) hint(from *overlay.Contact, server bool) {
	m := r.m
	switch {
	case len(r.succ) == 0 || !r.hurries():
		return
	case r.succ[0].ID != from.ID:
		if server && between(m.self.ID, from.ID, r.succ[0].ID) && m.admit(from) == nil {
			r.adopt(from, func(bool) {})
		}
		return
	}
	r.by(m.cfg.Ring.Eager / 10)
}

// rectify is Zave's answer to a notification by c, which is alive.
func (r *ring) rectify(c *overlay.Contact) {
	m := r.m
	switch {
	case m.admit(c) != nil:
	case len(r.succ) == 0:
		r.welcome(c)
	case r.pred == nil, r.pred.ID == c.ID:
		r.setPredecessor(c)
	case between(r.pred.ID, c.ID, m.self.ID):
		old := r.pred
		r.setPredecessor(c)
		if r.hurries() { // c is its successor now; it need not wait for its turn to see
			m.ask(old, &PingRequest{Changed: true}, nil)
		}
	default: // c takes the place of a predecessor that is dead
		old := r.pred
		m.ask(old, &PingRequest{}, func(_ Message, err error) {
			if err != nil && r.pred == nil && !m.closed {
				r.setPredecessor(c)
			}
		})
	}
}

// welcome is rectify for a node without a successor, which is not in a ring yet:
// c, which has it on its list, shows it its place, and its list.
func (r *ring) welcome(c *overlay.Contact) {
	if r.joining {
		return // that way leads in as well
	}
	r.joining = true
	r.joinThrough([]*overlay.Contact{c}, r.entered)
}

// checkPredecessor pings a predecessor that has not been heard of for two of its
// rounds, however seldom they are.
func (r *ring) checkPredecessor() {
	m := r.m
	if r.pred == nil || m.now.Sub(r.predSeen) < 2*r.rest() {
		return
	}
	p := r.pred
	m.ask(p, &PingRequest{}, func(_ Message, err error) {
		if err == nil && r.pred != nil && r.pred.ID == p.ID {
			r.predSeen = m.now
		}
	})
}

// checkRounds is the number of rounds, at the usual pace, for each check of the list.
// Whoever is on it has a predecessor that notices at its next round if it is dead; news
// of that goes from list to list (tell), and a list of which no news came is read again
// at the next round, as its version shows. So checks find next to nothing.
const checkRounds = 16

// checkList contacts some nodes of the list beyond the first, in turn. The list
// is hearsay beyond its first node; whoever does not answer leaves it. Rounds that
// follow a change closely do without: they are about the neighbours, and the list
// is checked as often as its length and the usual pace have it.
func (r *ring) checkList() {
	m := r.m
	if m.now.Sub(r.checked) < r.rest()*checkRounds {
		return
	}
	r.checked = m.now
	for range min(m.cfg.Ring.Checks, len(r.succ)-1) {
		r.check++
		m.ask(r.succ[1+r.check%(len(r.succ)-1)], &PingRequest{}, nil)
	}
}

// farewell tells the neighbours that this node leaves.
func (r *ring) farewell() {
	m := r.m
	if !m.server || m.closed {
		return
	}
	msg := &LeaveRequest{Predecessor: r.pred, Successors: r.succ}
	if len(r.succ) > 0 {
		m.ask(r.succ[0], msg, nil)
	}
	if r.pred != nil && (len(r.succ) == 0 || r.succ[0].ID != r.pred.ID) {
		m.ask(r.pred, msg, nil)
	}
}
