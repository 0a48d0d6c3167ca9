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
	var room [32]ranked // not a field of rank: it would not stay on the stack
	rank := ranking{target: target, head: headOf(target)}
	take := func(d int) {
		for _, x := range rank.of(room[:0], t.buckets[d].live, n-len(out), keep) {
			out = append(out, x.e)
		}
	}
	differs, last := t.self.Xor(target), len(t.buckets)-1
	for d := 0; d < last && len(out) < n; d++ {
		if differs.Bit(d) == 1 {
			take(d)
		}
	}
	take(last)
	for d := last - 1; d >= 0 && len(out) < n; d-- {
		if differs.Bit(d) == 0 {
			take(d)
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

// ranking makes lists of the entries nearest to a target, nearest first. They are
// short, and so kept in order by insertion: that is the inner loop of every answer.
type ranking struct {
	target overlay.ID
	head   uint64 // of target
}

// of makes the list of the n nearest in a bucket, which it appends to list, an empty one.
func (r *ranking) of(list []ranked, live []entry, n int, keep func(*entry) bool) []ranked {
	for i := range live {
		if e := &live[i]; keep(e) {
			list = r.add(list, ranked{e.head ^ r.head, e}, n)
		}
	}
	return list
}

// add takes x into a list if it is among the n nearest.
func (r *ranking) add(list []ranked, x ranked, n int) []ranked {
	last := len(list) - 1
	if last+1 < n {
		list = append(list, x)
		last++
	} else if last < 0 || !r.before(x, list[last]) {
		return list
	}
	i := last
	for ; i > 0 && r.before(x, list[i-1]); i-- {
		list[i] = list[i-1]
	}
	list[i] = x
	return list
}

func (r *ranking) before(a, b ranked) bool {
	if a.dist != b.dist {
		return a.dist < b.dist
	}
	return r.closer(a.e, b.e)
}

// closer is hardly ever needed; apart from before, it lets that be inlined.
//
//go:noinline
func (r *ranking) closer(a, b *entry) bool { return r.target.Closer(a.c.ID, b.c.ID) }

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
