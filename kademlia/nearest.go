package kademlia

import (
	"slices"

	"ringswap/overlay"
)

// closest returns the n contacts nearest to target that answer, nearest first.
func (t *table) closest(target overlay.ID, n int) []*overlay.Contact {
	return contactsOf(t.nearest(nil, target, n, answers))
}

// answers is the choice of every contact that answers.
func answers(e *entry) bool { return !e.silent() }

// contactsOf are the contacts of a list of entries.
func contactsOf(list []*entry) []*overlay.Contact {
	out := make([]*overlay.Contact, len(list))
	for i, e := range list {
		out[i] = e.c
	}
	return out
}

// nearest appends to out the n entries nearest to target that keep allows,
// nearest first. They are valid until the table changes.
//
// Everyone in a bucket is nearer to target than everyone in another, so only the
// buckets that are needed are looked at, one by one: first those of the bits in
// which this node differs from target, as their contacts agree with target there,
// in the order of these bits; then the last bucket; then the others, backwards.
func (t *table) nearest(out []*entry, target overlay.ID, n int, keep func(*entry) bool) []*entry {
	var room [32]ranked
	rank := ranking{target: target, head: headOf(target), list: room[:0]}
	differs, last := t.self.Xor(target), len(t.buckets)-1
	for d := 0; d < last && len(out) < n; d++ {
		if differs.Bit(d) == 1 {
			out = rank.of(out, t.buckets[d].live, n, keep)
		}
	}
	out = rank.of(out, t.buckets[last].live, n, keep)
	for d := last - 1; d >= 0 && len(out) < n; d-- {
		if differs.Bit(d) == 0 {
			out = rank.of(out, t.buckets[d].live, n, keep)
		}
	}
	return out
}

// ranked is an entry with the first 64 bits of its distance to a target, which
// nearly always decide.
type ranked struct {
	dist uint64
	e    *entry
}

// ranking is a list of the entries nearest to a target, nearest first. It is
// short, and so kept in order by insertion: that is the inner loop of every answer.
type ranking struct {
	target overlay.ID
	head   uint64 // of target
	list   []ranked
}

// of appends to out, which may hold n entries in all, the nearest in a bucket.
func (r *ranking) of(out []*entry, live []entry, n int, keep func(*entry) bool) []*entry {
	r.list = r.list[:0]
	for i := range live {
		if e := &live[i]; keep(e) {
			r.add(e, n-len(out))
		}
	}
	for i := range r.list {
		out = append(out, r.list[i].e)
	}
	return out
}

// add takes in an entry if it is among the nearest, of which it keeps so many.
func (r *ranking) add(e *entry, limit int) {
	x := ranked{e.head ^ r.head, e}
	if last := len(r.list) - 1; last+1 < limit {
		r.list = append(r.list, x)
	} else if last >= 0 && r.before(x, r.list[last]) {
		r.list[last] = x
	} else {
		return
	}
	i := len(r.list) - 1
	for ; i > 0 && r.before(x, r.list[i-1]); i-- {
		r.list[i] = r.list[i-1]
	}
	r.list[i] = x
}

func (r *ranking) before(a, b ranked) bool {
	return a.dist < b.dist || a.dist == b.dist && r.target.Closer(a.e.c.ID, b.e.c.ID)
}

// sortByDistance sorts contacts by their distance to target.
func sortByDistance(target overlay.ID, list []*overlay.Contact) {
	slices.SortFunc(list, func(a, b *overlay.Contact) int { return target.CompareDistance(a.ID, b.ID) })
}

// distanceHead is the first 64 bits of the distance between two IDs.
func distanceHead(a, b overlay.ID) uint64 { return headOf(a) ^ headOf(b) }

// closerThanSelf counts the answering contacts that are nearer to target than
// this node, up to limit: they are in the buckets of the bits in which it differs
// from target, and in the last.
func (t *table) closerThanSelf(target overlay.ID, limit int) int {
	n, last := 0, len(t.buckets)-1
	differs := t.self.Xor(target)
	for d := range t.buckets {
		if d < last && differs.Bit(d) == 0 {
			continue
		}
		for i := range t.buckets[d].live {
			e := &t.buckets[d].live[i]
			if e.silent() || d == last && !target.Closer(e.c.ID, t.self) {
				continue
			}
			if n++; n == limit {
				return n
			}
		}
	}
	return n
}
