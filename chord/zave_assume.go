package chord

import "ringswap/overlay"

// Zave's theorem assumes something of failures: none may take the last live
// entry out of a member's list, and r+1 principals have to be left. Her model
// reads another node's list and takes it in at one moment; here the answer
// travels meanwhile. So a list on its way counts like one that is held: it will
// be. And a member that somebody still takes for dead, since he found it dead
// before it came back, or wrongly, does not count as a live entry nor as a
// principal, since it may be dropped yet.

// Pending is a list that one node was asked for, on its way to the one who asked.
type Pending struct {
	Asker, From overlay.ID
	List        []overlay.ID
}

// Assumption judges failures by what a run's members and messages are now.
type Assumption struct {
	*RingMonitor
	Pending []Pending
	// Doubted reports whether a member may yet be dropped by somebody who takes
	// it for dead. nil doubts nobody.
	Doubted func(overlay.ID) bool
}

// MayFail reports whether the theorem allows a member to stop now.
func (a Assumption) MayFail(id overlay.ID) bool {
	dead := func(x overlay.ID) bool { return x == id }
	for _, m := range a.members {
		if m.s.Self != id && !a.supported(m.s.Self, m.s.Successors, dead) {
			return false
		}
	}
	for i := range a.Pending {
		if p := &a.Pending[i]; p.Asker != id && !a.arrives(p, dead) {
			return false
		}
	}
	return a.founded(dead)
}

// MaySuspect reports whether the theorem allows a member to drop another one that
// lives, as if it had failed.
func (a Assumption) MaySuspect(who, id overlay.ID) bool {
	dead := func(x overlay.ID) bool { return x == id }
	m := a.byID[who]
	if m == nil || !a.supported(who, m.s.Successors, dead) {
		return false
	}
	for i := range a.Pending {
		if p := &a.Pending[i]; p.Asker == who && !a.arrives(p, dead) {
			return false
		}
	}
	return a.founded(dead)
}

// supported reports whether somebody's list has an entry that lives beyond doubt.
func (a Assumption) supported(self overlay.ID, list []overlay.ID, dead func(overlay.ID) bool) bool {
	for _, x := range list {
		if x != self && a.byID[x] != nil && !dead(x) && !a.doubted(x) {
			return true
		}
	}
	return len(list) == 0
}

func (a Assumption) doubted(x overlay.ID) bool { return a.Doubted != nil && a.Doubted(x) }

// arrives reports whether a list will have such an entry once it is taken in: by
// a member behind the node that was asked, by a newcomer as it is.
func (a Assumption) arrives(p *Pending, dead func(overlay.ID) bool) bool {
	m := a.byID[p.Asker]
	if m == nil {
		return a.supported(p.Asker, p.List, dead)
	}
	if a.byID[p.From] != nil && !dead(p.From) && !a.doubted(p.From) {
		return true
	}
	return a.supported(p.Asker, p.List[:min(len(p.List), max(0, m.s.R-1))], dead)
}

// founded reports whether r+1 principals would be left, if the ring is based.
func (a Assumption) founded(dead func(overlay.ID) bool) bool {
	return !a.based || a.left(dead) > a.members[0].s.R
}

// Settle takes note that Zave's proof begins, if the ring is ideal and there are
// more than r principals, whom no list on its way skips either.
func (a Assumption) Settle() {
	if a.astray == 0 && !a.small() && a.left(func(overlay.ID) bool { return false }) > a.members[0].s.R {
		a.based = true
	}
}

// left counts the principals that would be left.
func (a Assumption) left(dead func(overlay.ID) bool) int {
	left := 0
	for _, m := range a.members {
		if m.skips == 0 && !dead(m.s.Self) && !a.doubted(m.s.Self) && !a.passed(m.s.Self) {
			left++
		}
	}
	return left
}

// passed reports whether a list on its way skips a member.
func (a Assumption) passed(id overlay.ID) bool {
	for i := range a.Pending {
		last := a.Pending[i].From
		for _, x := range a.Pending[i].List {
			if between(last, id, x) {
				return true
			}
			last = x
		}
	}
	return false
}
