package chord

// Based reports whether the ring has come to where Zave's proof begins (see
// [Assumption.Settle]): from then on there have to be r+1 principals, and failures
// have to leave as many.
func (k *RingMonitor) Based() bool { return k.based }

// Err is what is wrong, by Zave's invariant or the progress property, nil if all
// is well. Before the ring is based, principals do not count.
func (k *RingMonitor) Err() error {
	if !k.holds(k.based) {
		if err := newRingCheck(k.States()).check(k.based); err != nil {
			return err
		}
	}
	return k.CheckProgress()
}

// CheckRing returns what [CheckRing] does of the members' states.
func (k *RingMonitor) CheckRing() error {
	if n := len(k.members); n < 2 || k.holds(!k.small()) {
		return nil
	}
	return CheckRing(k.States())
}

// CheckProgress returns what [CheckProgress] does of the members' states.
func (k *RingMonitor) CheckProgress() error {
	if k.astray == 0 || k.witness != nil {
		return nil
	}
	return CheckProgress(k.States())
}

// holds reports whether Zave's invariant does, with r+1 principals if based.
func (k *RingMonitor) holds(based bool) bool {
	if len(k.members) < 2 && !based {
		return true
	}
	lonely := k.lonely
	if k.small() {
		lonely -= k.empty
	}
	return k.disordered == 0 && lonely == 0 && k.one() && (!based || k.principals > k.members[0].s.R)
}

// small reports whether there are too few members for Zave's invariant.
func (k *RingMonitor) small() bool { return len(k.members) == 0 || len(k.members) <= k.members[0].s.R }

// one reports whether there is one ring, in order, that everyone comes to.
func (k *RingMonitor) one() bool {
	if !k.walked {
		k.oneRing, k.walked = k.walkRing(), true
	}
	return k.oneRing
}

func (k *RingMonitor) walkRing() bool {
	for _, m := range k.members {
		m.walk = 0
	}
	var ring *monitored
	for i, m := range k.members {
		x := m
		for x != nil && x.walk == 0 {
			x.walk = i + 1
			x = k.next(x)
		}
		switch {
		case x == nil:
			return false
		case x.walk != i+1: // came to an earlier walk
		case ring != nil:
			return false
		default:
			ring = x
		}
	}
	turns := 0
	for x := ring; ; {
		y := k.next(x)
		if y.at <= x.at {
			turns++
		}
		if x = y; x == ring {
			return turns == 1
		}
	}
}

// next is the first live successor of a member, nil if there is none.
func (k *RingMonitor) next(m *monitored) *monitored {
	if len(m.s.Successors) == 0 && k.small() {
		return m
	}
	return m.best
}

// prove finds somebody whom an operation would change, if the ring is not ideal.
func (k *RingMonitor) prove() {
	if k.astray == 0 {
		return
	}
	if k.witness != nil && k.witness.s.wouldChange(k.State) {
		return
	}
	k.witness = nil
	for _, m := range k.members {
		if m.s.wouldChange(k.State) {
			k.witness = m
			return
		}
	}
}
