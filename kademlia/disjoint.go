package kademlia

import (
	"cmp"
	"slices"
	"time"

	"ringswap/overlay"
)

// path is one of a lookup's disjoint paths (Baumgart & Mies 2007, S/Kademlia,
// section 4.4): it follows only the answers of nodes that it asked itself, and
// no two paths ask the same node, so that a liar misleads one path at most. A
// lookup with one path is the ordinary one.
type path struct {
	list []*candidate // by distance to the target, nearest first
}

// disjoint deals the first contacts out to the paths, nearest first, like cards.
func (l *lookup) disjoint(first []*overlay.Contact) []*path {
	sortByDistance(l.target, first)
	paths := make([]*path, max(1, min(l.m.cfg.Lookup.Paths, len(first))))
	for i := range paths {
		paths[i] = new(path)
	}
	for i, c := range first {
		cand := &candidate{c: c, dist: distanceHead(l.target, c.ID)}
		l.known[c.ID] = cand
		p := paths[i%len(paths)]
		p.list = append(p.list, cand)
	}
	return paths
}

// insert adds a candidate at its place, unless it is there or too far out.
func (p *path) insert(target overlay.ID, c *candidate, limit int) {
	i, found := slices.BinarySearchFunc(p.list, c, func(a, b *candidate) int {
		if a.dist != b.dist {
			return cmp.Compare(a.dist, b.dist)
		}
		return target.CompareDistance(a.c.ID, b.c.ID)
	})
	if found || i >= limit {
		return
	}
	p.list = slices.Insert(p.list, i, c)
	if last := p.list[len(p.list)-1]; len(p.list) > limit && last.state == heard {
		p.list = p.list[:len(p.list)-1]
	}
}

// inFlight counts the path's requests that are not late yet, and all that are
// still waited for.
func (p *path) inFlight(now time.Time) (inTime, inAll int) {
	for _, c := range p.list {
		if c.state == waiting && c.path == p {
			inAll++
			if now.Before(c.late) {
				inTime++
			}
		}
	}
	return inTime, inAll
}

// widen begins the sweep over all K nearest, if that is wanted, if the paths
// have to be brought together, or if more than every second result would name a
// dead node: the share of contacts that failed lately, times those of the K that
// have not answered. A node of this lookup that is overdue counts as a failure
// until it answers after all. It reports whether there is more to do.
func (l *lookup) widen() bool {
	if l.sweeping {
		return false
	}
	unasked, n := 0, 0
	doubt := l.m.requests.doubt
	for _, c := range l.paths[0].list {
		switch {
		case c.state == overdue:
			doubt += doubtGain
		case n == l.m.cfg.K:
		case c.state == heard:
			unasked++
			n++
		case c.state == answered:
			n++
		}
	}
	if !l.want.sweep && len(l.paths) == 1 && doubt*float64(unasked) < 0.5 {
		return false
	}
	l.merge()
	l.sweeping = true
	return true
}

// merge makes one path of all.
func (l *lookup) merge() {
	all := l.paths[0]
	for _, p := range l.paths[1:] {
		for _, c := range p.list {
			all.insert(l.target, c, len(l.known))
			if c.path != nil {
				c.path = all
			}
		}
	}
	for _, c := range all.list {
		if c.path != nil {
			c.path = all
		}
	}
	l.paths = []*path{all}
}

// closest are the n nearest nodes that have not failed to answer, nearest first.
func (l *lookup) closest(n int) []*candidate {
	var out []*candidate
	for _, c := range l.paths[0].list {
		if len(out) == n {
			break
		}
		if c.state != failed && c.state != overdue && !c.misled() {
			out = append(out, c)
		}
	}
	return out
}

// trace is the course of an ended lookup with its n nearest nodes, this node
// among them if it is a server.
func (l *lookup) trace(n int) overlay.Path {
	path := overlay.Path{Key: l.target, Steps: l.steps}
	if len(l.known) == 0 {
		return path
	}
	self := l.m.server
	for _, c := range l.closest(n) {
		if self && l.target.Closer(l.m.self.ID, c.c.ID) {
			path.Closest = append(path.Closest, *l.m.self)
			self = false
		}
		if len(path.Closest) == 0 && c.via != nil {
			path.Hops = l.steps[c.via.step].Hop
		}
		path.Closest = append(path.Closest, *c.c)
	}
	if self {
		path.Closest = append(path.Closest, *l.m.self)
	}
	path.Closest = path.Closest[:min(n, len(path.Closest))]
	return path
}
