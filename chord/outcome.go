package chord

import (
	"slices"

	"ringswap/overlay"
)

// finish ends the lookup and tells its goal.
func (l *lookup) finish() {
	if !l.ended {
		l.stop()
		if o := l.owner(); o != nil {
			l.m.observe(o.next)
		}
		l.goal.over(l)
	}
}

// stop ends the lookup without a word.
func (l *lookup) stop() {
	if l.ended {
		return
	}
	l.ended = true
	l.recursion.end()
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
		if o.state == replied && o.believed() {
			return o
		}
	}
	return nil
}

// vain counts the nodes that were taken for the owner, answered that they are not
// and led nowhere: neither o nor those through which it was heard of.
func (l *lookup) vain(o *candidate) (n int) {
	for _, x := range l.owners {
		if x == o || !x.blind || x.state != replied {
			continue
		}
		n++
		for on := o.via; on != nil; on = on.via {
			if on == x {
				n--
				break
			}
		}
	}
	return n
}

// trace is the course of an ended lookup with what it found.
func (l *lookup) trace() overlay.Path {
	path := overlay.Path{Key: l.target, Steps: l.steps, Recursive: l.recursion != nil && l.recursion.done}
	o := l.owner()
	if o == nil {
		return path
	}
	if o.via != nil {
		path.Hops = l.steps[o.via.step].Hop
	}
	path.Hops += l.vain(o) // they were asked one after the other
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
