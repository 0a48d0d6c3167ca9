package kademlia

import (
	"slices"
	"time"

	"ringswap/overlay"
)

// path is one of a lookup's disjoint paths (Baumgart & Mies 2007, S/Kademlia,
// section 4.4): it follows only the answers of nodes that it asked itself, and
// no two paths ask the same node, so that a liar misleads one path at most. A
// lookup with one path is the ordinary one.
type path struct {
	list  []*candidate // by distance to the target, nearest first
	dists []uint64     // of each of them, to search in
}

// disjoint deals the first contacts out to the paths, nearest first, like cards.
func (l *lookup) disjoint(first []*overlay.Contact) []*path {
	sortByDistance(l.target, first)
	paths := make([]*path, max(1, min(l.m.cfg.Lookup.Paths, len(first))))
	if len(paths) > 1 {
		l.known = make(map[overlay.ID]*candidate)
	}
	for i := range paths {
		paths[i] = new(path)
	}
	for i, c := range first {
		p := paths[i%len(paths)]
		dist := distanceHead(l.target, c.ID)
		p.list, p.dists = append(p.list, l.newCandidate(c, dist, nil)), append(p.dists, dist)
	}
	return paths
}

// search is the place in the list of a node at that distance, and whether it is
// there.
func (p *path) search(target overlay.ID, dist uint64, id overlay.ID) (int, bool) {
	lo, hi := 0, len(p.dists)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); p.dists[mid] < dist {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for ; lo < len(p.dists) && p.dists[lo] == dist; lo++ {
		if known := p.list[lo].c.ID; known == id {
			return lo, true
		} else if !target.Closer(known, id) {
			break
		}
	}
	return lo, false
}

// insert adds a candidate at its place, unless that is too far out.
func (p *path) insert(i int, c *candidate, limit int) {
	if i >= limit {
		return
	}
	p.list, p.dists = slices.Insert(p.list, i, c), slices.Insert(p.dists, i, c.dist)
	if last := len(p.list) - 1; last >= limit && p.list[last].state == heard {
		p.list, p.dists = p.list[:last], p.dists[:last]
	}
}

// inFlight counts a path's requests that are not late yet, and all that are
// still waited for.
func (l *lookup) inFlight(p *path, now time.Duration) (inTime, inAll int) {
	for _, c := range l.flying {
		if c.state == waiting && c.path == p {
			inAll++
			if now < c.late {
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
	if !l.want.sweep && len(l.paths) == 1 && (l.want.brief || doubt*float64(unasked) < 0.5) {
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
			if i, found := all.search(l.target, c.dist, c.c.ID); !found {
				all.insert(i, c, len(l.known))
			}
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
			c.c = l.m.table.better(c.c)
			out = append(out, c)
		}
	}
	return out
}

// trace is the course of an ended lookup with its n nearest nodes, this node
// among them if it is a server.
func (l *lookup) trace(n int) overlay.Path {
	path := overlay.Path{Key: l.target, Steps: l.steps}
	if len(l.paths[0].list) == 0 {
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
