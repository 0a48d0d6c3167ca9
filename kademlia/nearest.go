package kademlia

import (
	"slices"

	"ringswap/overlay"
)

// closest returns the n contacts nearest to target that answer and that keep
// allows, nearest first. nil allows all.
func (t *table) closest(target overlay.ID, n int, keep func(*overlay.Contact) bool) []*overlay.Contact {
	return t.nearest(target, n, false, keep)
}

// nearest is closest with or without the silent contacts.
func (t *table) nearest(target overlay.ID, n int, silent bool, keep func(*overlay.Contact) bool) []*overlay.Contact {
	out := make([]*overlay.Contact, 0, min(n, t.size))
	var room [64]ranked
	list := ranking{target: target, head: headOf(target), list: room[:0]}
	take := func(from, to int) bool { // all of these buckets are nearer than the rest
		for have, margin := len(out), 4; ; margin *= 8 {
			list.reset(n - have + margin) // a few more than needed, as keep may refuse some
			for d := from; d <= to; d++ {
				live := t.buckets[d].live
				for i := range live {
					if e := &live[i]; silent || !e.silent() {
						list.add(e.head, e.c)
					}
				}
			}
			out = out[:have]
			for i := range list.list { // most contacts are not looked at
				if c := list.list[i].c; len(out) < n && (keep == nil || keep(c)) {
					out = append(out, c)
				}
			}
			if len(out) == n || !list.cut {
				return len(out) == n
			}
		}
	}
	d, last := t.depthOf(target), len(t.buckets)-1
	done := take(d, d)
	if !done && d < last {
		done = take(d+1, last)
	}
	for i := d - 1; i >= 0 && !done; i-- {
		done = take(i, i)
	}
	return out
}

// ranked is a contact with the first 64 bits of its distance to a target, which
// nearly always decide.
type ranked struct {
	dist uint64
	c    *overlay.Contact
}

// ranking is a list of the contacts nearest to a target, nearest first. It is
// short, and so kept in order by insertion: that is the inner loop of every answer.
type ranking struct {
	target overlay.ID
	head   uint64 // of target
	limit  int    // no more are kept
	list   []ranked
	cut    bool // some were not kept
}

func (r *ranking) reset(limit int) { r.limit, r.list, r.cut = limit, r.list[:0], false }

// add takes in a contact with these first 64 bits of its ID.
func (r *ranking) add(head uint64, c *overlay.Contact) {
	x := ranked{head ^ r.head, c}
	if last := len(r.list) - 1; last+1 < r.limit {
		r.list = append(r.list, x)
	} else {
		r.cut = true
		if !r.before(x, r.list[last]) {
			return
		}
		r.list[last] = x
	}
	i := len(r.list) - 1
	for ; i > 0 && r.before(x, r.list[i-1]); i-- {
		r.list[i] = r.list[i-1]
	}
	r.list[i] = x
}

func (r *ranking) before(a, b ranked) bool {
	return a.dist < b.dist || a.dist == b.dist && r.target.Closer(a.c.ID, b.c.ID)
}

// sortByDistance sorts contacts by their distance to target.
func sortByDistance(target overlay.ID, list []*overlay.Contact) {
	slices.SortFunc(list, func(a, b *overlay.Contact) int { return target.CompareDistance(a.ID, b.ID) })
}

// distanceHead is the first 64 bits of the distance between two IDs.
func distanceHead(a, b overlay.ID) uint64 { return headOf(a) ^ headOf(b) }

// closerThanSelf counts the answering contacts that are nearer to target than
// this node, up to limit. Whoever differs from target in an earlier bit than this
// node does is not, so only target's bucket and deeper ones matter.
func (t *table) closerThanSelf(target overlay.ID, limit int) int {
	n := 0
	for d := t.depthOf(target); d < len(t.buckets); d++ {
		for i := range t.buckets[d].live {
			e := &t.buckets[d].live[i]
			if e.silent() || !target.Closer(e.c.ID, t.self) {
				continue
			}
			if n++; n == limit {
				return n
			}
		}
	}
	return n
}
