package chord

import (
	"fmt"
	"slices"

	"ringswap/overlay"
)

// State is one live node of a ring, as [CheckRing] sees it.
type State struct {
	Self           overlay.ID
	Predecessor    overlay.ID
	HasPredecessor bool
	Successors     []overlay.ID
	// R is the length of a full successor list.
	R int
	// Member says that the node has joined; others are ignored.
	Member bool
}

// CheckRing returns an error unless the live members, which are all that states
// names, satisfy Zave's invariant: lists are in order and name nobody twice;
// every member has a live entry in its list; there is one ring, in order, which
// every other member reaches; and, if there are more than r members, at least r+1
// of them are principals: skipped by no two adjacent entries of anybody's
// list. A ring that grows from fewer than r+1 members has that many principals
// only once it has settled: Zave's proof begins there. Among fewer than r+1, one
// without any successor, as whoever begins a ring is, counts as its own; so a
// single member is a ring. states is not kept.
func CheckRing(states []State) error {
	r := newRingCheck(states)
	return r.check(len(r.members) > 0 && len(r.members) > r.members[0].R)
}

// ringCheck has the members in the order of the ring.
type ringCheck struct {
	members []*State
	best    []int // index of each member's first live successor, -1 if none
}

// check is CheckRing. based says that there have to be r+1 principals.
func (r *ringCheck) check(based bool) error {
	if len(r.members) == 0 || len(r.members) == 1 && !based {
		return nil
	}
	checks := []func() error{r.checkLists, r.checkLive, r.checkOneRing}
	if based {
		checks = append(checks, r.checkPrincipals)
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return fmt.Errorf("chord: %w", err)
		}
	}
	return nil
}

func newRingCheck(states []State) *ringCheck {
	r := new(ringCheck)
	for i := range states {
		if states[i].Member {
			r.members = append(r.members, &states[i])
		}
	}
	slices.SortFunc(r.members, func(a, b *State) int { return a.Self.Compare(b.Self) })
	r.best = make([]int, len(r.members))
	for i, s := range r.members {
		r.best[i] = -1
		if len(s.Successors) == 0 && len(r.members) <= s.R {
			r.best[i] = i
		}
		for _, id := range s.Successors {
			if j, ok := r.at(id); ok {
				r.best[i] = j
				break
			}
		}
	}
	return r
}

// at is the place of the first member at or after id, and whether id is one.
func (r *ringCheck) at(id overlay.ID) (int, bool) {
	return slices.BinarySearchFunc(r.members, id, func(s *State, id overlay.ID) int { return s.Self.Compare(id) })
}

func (r *ringCheck) checkLists() error {
	for _, s := range r.members {
		if err := s.checkList(); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) checkList() error {
	if len(s.Successors) > s.R {
		return fmt.Errorf("%s has %d successors, more than %d", s.Self.Short(), len(s.Successors), s.R)
	}
	var last overlay.ID
	for _, id := range s.Successors {
		d := id.Sub(s.Self)
		if d.Compare(last) <= 0 {
			return fmt.Errorf("%w: %s in the list of %s", ErrDisorder, id.Short(), s.Self.Short())
		}
		last = d
	}
	return nil
}

func (r *ringCheck) checkLive() error {
	for i, s := range r.members {
		if r.best[i] < 0 {
			return fmt.Errorf("%s has no live successor", s.Self.Short())
		}
	}
	return nil
}

// checkOneRing follows the first live successors: everyone must come to the same
// cycle, and the cycle must go around the keyspace once.
func (r *ringCheck) checkOneRing() error {
	on := make([]int, len(r.members)) // the walk in which a member was met, from 1
	ring := -1
	for i := range r.members {
		j := i
		for on[j] == 0 {
			on[j] = i + 1
			j = r.best[j]
		}
		if on[j] != i+1 {
			continue // came to an earlier walk
		}
		if ring >= 0 {
			return fmt.Errorf("two rings: one with %s, one with %s", r.members[ring].Self.Short(), r.members[j].Self.Short())
		}
		ring = j
	}
	turns := 0
	for j := ring; ; {
		next := r.best[j]
		if next <= j {
			turns++
		}
		if j = next; j == ring {
			break
		}
	}
	if turns != 1 {
		return fmt.Errorf("the ring with %s goes around %d times", r.members[ring].Self.Short(), turns)
	}
	return nil
}

func (r *ringCheck) checkPrincipals() error {
	need := r.members[0].R + 1
	skipped := make([]bool, len(r.members))
	for _, s := range r.members {
		last := s.Self
		for _, id := range s.Successors {
			for k, n := r.after(last), 0; n < len(r.members) && between(last, r.members[k].Self, id); n++ {
				skipped[k] = true
				k = (k + 1) % len(r.members)
			}
			last = id
		}
	}
	principals := 0
	for _, s := range skipped {
		if !s {
			principals++
		}
	}
	if principals < need {
		return fmt.Errorf("%d principals, fewer than %d", principals, need)
	}
	return nil
}

// after is the place of the first member after id.
func (r *ringCheck) after(id overlay.ID) int {
	i, ok := r.at(id)
	if ok {
		i++
	}
	return i % len(r.members)
}

// Ideal reports whether every member's predecessor and successor list are what
// they would be if it knew all members.
func Ideal(states []State) bool {
	r := newRingCheck(states)
	n := len(r.members)
	for i, s := range r.members {
		want := min(s.R, n-1)
		if len(s.Successors) != want || n > 1 && (!s.HasPredecessor || s.Predecessor != r.members[(i+n-1)%n].Self) {
			return false
		}
		for k, id := range s.Successors {
			if id != r.members[(i+1+k)%n].Self {
				return false
			}
		}
	}
	return true
}

// CheckProgress returns an error if the members are not [Ideal] and yet no
// stabilization or rectification of any of them would change anything.
func CheckProgress(states []State) error {
	if Ideal(states) {
		return nil
	}
	r := newRingCheck(states)
	member := func(id overlay.ID) *State {
		if i, ok := r.at(id); ok {
			return r.members[i]
		}
		return nil
	}
	for _, s := range r.members {
		if s.wouldChange(member) {
			return nil
		}
	}
	return fmt.Errorf("chord: the ring of %d is not ideal, and nothing would change it", len(r.members))
}

// wouldChange reports whether a stabilization by s, or the notification that it
// ends with, would change a member. member returns the state of one, or nil.
func (s *State) wouldChange(member func(overlay.ID) *State) bool {
	if len(s.Successors) == 0 {
		return s.HasPredecessor
	}
	next := member(s.Successors[0])
	switch {
	case next == nil, // dead, and dropped from the list
		!s.follows(next), // whose list is taken over
		!next.HasPredecessor:
		return true
	}
	lives := member(next.Predecessor) != nil
	if lives && between(s.Self, next.Predecessor, next.Self) {
		return true // it is adopted
	}
	return next.Predecessor != s.Self && (!lives || between(next.Predecessor, s.Self, next.Self))
}

// follows reports whether the list of s is what it becomes by taking over that of
// its first successor, which stops short of coming around to s.
func (s *State) follows(next *State) bool {
	last := s.Successors[0].Sub(s.Self)
	n := 1
	for _, id := range next.Successors {
		d := id.Sub(s.Self)
		if n == s.R || d.Compare(last) <= 0 {
			break
		}
		if n == len(s.Successors) || s.Successors[n] != id {
			return false
		}
		last = d
		n++
	}
	return n == len(s.Successors)
}
