package kademlia

import (
	"slices"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
	"ringswap/overlay/scope"
)

// table is the routing table: a tree of buckets over the keyspace (paper,
// section 2.4), kept as a list. Bucket i holds the contacts that share exactly i
// leading bits with this node, except for the last one, which holds all that
// share as many or more: it is the only bucket that contains this node, and the
// only one that splits.
//
// The paper's relaxation for unbalanced trees is kept too: every node of the
// smallest subtree around this node with K contacts in it is remembered,
// whatever the size of its bucket (see nearDepth). Without it, the nodes nearest
// to a key would not know each other, and lookups would miss some.
type table struct {
	self    overlay.ID
	k       int
	cfg     *TableConfig
	buckets []bucket
	size    int // live contacts
	// depth is what nearDepth found, if measured says so: until a contact comes,
	// goes, falls silent or is heard of again.
	depth    int
	measured bool
	// What happened since the owner looked last, for it to act on and clear:
	// contacts that came into the table, came in from the replacement cache without
	// ever having answered, and left it.
	joined, unproven, left []*overlay.Contact
	// revived says that a silent contact has been heard of again.
	revived bool
}

func newTable(self overlay.ID, k int, cfg *TableConfig) table {
	return table{self: self, k: k, cfg: cfg, buckets: make([]bucket, 1)}
}

// depthOf is the index of the bucket that id belongs to.
func (t *table) depthOf(id overlay.ID) int {
	return min(t.self.CommonPrefixLen(id), len(t.buckets)-1)
}

// find returns the live entry of id, or nil. The entry is valid until the table
// changes.
func (t *table) find(id overlay.ID) *entry {
	b := &t.buckets[t.depthOf(id)]
	if i := index(b.live, id); i >= 0 {
		return &b.live[i]
	}
	return nil
}

// better is the contact as we know it ourselves, which is worth more than what
// others say of it; c itself if it does not answer us, or is not in the table.
func (t *table) better(c *overlay.Contact) *overlay.Contact {
	if e := t.find(c.ID); e != nil && !e.silent() {
		return e.c
	}
	return c
}

// nearDepth is the depth of the smallest subtree around this node that holds at
// least K contacts which answer; 0 if there are fewer in all.
func (t *table) nearDepth() int {
	if !t.measured {
		t.depth, t.measured = t.measure(), true
	}
	return t.depth
}

func (t *table) measure() int {
	n := 0
	for d := len(t.buckets) - 1; d > 0; d-- {
		for i := range t.buckets[d].live {
			if !t.buckets[d].live[i].silent() {
				n++
			}
		}
		if n >= t.k {
			return d
		}
	}
	return 0
}

// resize notes that so many contacts came into the table, or left it.
func (t *table) resize(by int) {
	t.size += by
	t.measured = false
}

// near reports whether one of these is, or would be, in the smallest subtree
// around this node with K contacts, whose nodes share its keys.
func (t *table) near(list []*overlay.Contact) bool {
	depth := t.nearDepth()
	for _, c := range list {
		if t.self.CommonPrefixLen(c.ID) >= depth {
			return true
		}
	}
	return false
}

// room is the most contacts that bucket d may hold. Between the depth near and
// the last bucket all are kept; the bound there is for crowds that an attacker
// makes. The last bucket splits instead.
func (t *table) room(d, near int) int {
	if d >= near && d < len(t.buckets)-1 {
		return 4 * t.cfg.BucketSize
	}
	return t.cfg.BucketSize
}

// touch records a sign of life of c if it is in the table, and reports whether it
// is. A contact that brings no addresses keeps those it had.
func (t *table) touch(now stamp, c *overlay.Contact) bool {
	b := &t.buckets[t.depthOf(c.ID)]
	i := index(b.live, c.ID)
	if i < 0 {
		return false
	}
	e := b.touch(i)
	revived := e.silent()
	e.seen, e.fails, e.tried = now, 0, 0
	if moved(e.c, c) && t.diverse(c) {
		e.c, e.scopes = c, scope.SetOf(c.Addrs)
	}
	if revived {
		t.revived, t.measured = true, false
		t.settle()
	}
	return true
}

// seen records that c answered and takes it into the table if it is new and
// there is room or somebody silent to replace, else into the replacement cache. It
// reports whether c is in the table now.
func (t *table) seen(now stamp, c *overlay.Contact) bool {
	switch {
	case c.ID == t.self:
		return false
	case t.touch(now, c):
		return true
	case !t.diverse(c):
		return false
	}
	b, e := &t.buckets[t.depthOf(c.ID)], entryOf(c, now)
	if i := b.worst(); i >= 0 && len(b.live) >= t.cfg.BucketSize {
		t.left = append(t.left, b.live[i].c)
		b.live = remove(b.live, i)
		t.resize(-1)
		t.add(b, e)
		return true
	}
	if t.place(e) {
		return true
	}
	t.buckets[t.depthOf(c.ID)].keepSpare(e, t.cfg.Spares)
	return false
}

// moved reports whether b brings other addresses than a has. If not, a goes on
// being used: it may be shared.
func moved(a, b *overlay.Contact) bool {
	return a != b && len(b.Addrs) > 0 && !slices.EqualFunc(a.Addrs, b.Addrs, ma.Multiaddr.Equal)
}

// add appends a new entry to a bucket that has room.
func (t *table) add(b *bucket, e entry) {
	b.live = append(b.live, e)
	b.dropSpare(e.c.ID)
	t.resize(+1)
	t.joined = append(t.joined, e.c)
	t.settle()
}

// place adds a new entry if its bucket has room, after splitting if need be.
func (t *table) place(e entry) bool {
	for {
		d := t.depthOf(e.c.ID)
		b := &t.buckets[d]
		if len(b.live) < t.room(d, t.nearDepth()) {
			t.add(b, e)
			return true
		}
		if last := len(t.buckets) - 1; d < last || last+1 == 8*overlay.IDBytes {
			return false
		}
		t.split()
	}
}

// split divides the last bucket: those that share exactly its depth in bits
// stay, the nearer ones move on.
func (t *table) split() {
	d := len(t.buckets) - 1
	old := t.buckets[d]
	stay := bucket{looked: old.looked}
	deeper := bucket{looked: old.looked}
	part := func(list []entry, stay, deeper *[]entry) {
		for _, e := range list {
			if t.self.CommonPrefixLen(e.c.ID) > d {
				*deeper = append(*deeper, e)
			} else {
				*stay = append(*stay, e)
			}
		}
	}
	part(old.live, &stay.live, &deeper.live)
	part(old.spare, &stay.spare, &deeper.spare)
	t.buckets[d] = stay
	t.buckets = append(t.buckets, deeper)
	t.measured = false
}

// settle restores the sizes of all buckets after nearDepth may have moved: those
// that left the nearest subtree lose what is too much, those that entered it, or
// lost somebody, take in their spares.
func (t *table) settle() {
	for near := -1; near != t.nearDepth(); { // promotions may move it deeper
		near = t.nearDepth()
		for d := range t.buckets {
			b := &t.buckets[d]
			room := t.room(d, near)
			for len(b.live) > room {
				t.demote(b)
			}
			for len(b.live) < room && t.promote(b) {
				continue
			}
		}
	}
}

// demote moves the contact that the bucket will miss least to its replacement
// cache: a silent one, which is forgotten, or the least recently seen.
func (t *table) demote(b *bucket) {
	i := max(0, b.worst())
	e := b.live[i]
	b.live = remove(b.live, i)
	t.resize(-1)
	t.left = append(t.left, e.c)
	if !e.silent() {
		b.keepSpare(e, t.cfg.Spares)
	}
}

// promote moves the best spare that diversity allows into the bucket. Spares
// that it does not allow are forgotten. It reports whether it found one.
func (t *table) promote(b *bucket) bool {
	for len(b.spare) > 0 {
		e := b.takeSpare()
		if !t.diverse(e.c) {
			continue
		}
		at := 0
		for at < len(b.live) && b.live[at].seen <= e.seen {
			at++
		}
		b.live = slices.Insert(b.live, at, e)
		t.resize(+1)
		t.joined = append(t.joined, e.c)
		if !e.proven {
			t.unproven = append(t.unproven, e.c)
		}
		return true
	}
	return false
}

// offer puts a contact that has not been asked yet into the replacement cache
// of its full bucket.
func (t *table) offer(now stamp, c *overlay.Contact) {
	b := &t.buckets[t.depthOf(c.ID)]
	if c.ID != t.self && index(b.live, c.ID) < 0 && t.diverse(c) {
		e := entryOf(c, now)
		e.proven = false
		b.keepSpare(e, t.cfg.Spares)
	}
}

// wants reports whether a new contact at id would be taken into the table now,
// diversity aside.
func (t *table) wants(id overlay.ID) bool {
	d := t.depthOf(id)
	b := &t.buckets[d]
	return d == len(t.buckets)-1 || len(b.live) < t.room(d, t.nearDepth()) || b.worst() >= 0
}

// failed records that a contact did not answer. If a spare can take its place it
// is evicted, else it is kept: a silent contact is better than none, and the
// fault may be our own.
func (t *table) failed(now stamp, id overlay.ID) {
	b := &t.buckets[t.depthOf(id)]
	b.dropSpare(id)
	i := index(b.live, id)
	if i < 0 {
		return
	}
	e := b.live[i]
	e.tried = now
	if e.fails < 255 {
		e.fails++
	}
	b.live = remove(b.live, i)
	t.resize(-1)
	if t.promote(b) {
		t.left = append(t.left, e.c)
	} else {
		b.live = slices.Insert(b.live, i, e)
		t.resize(+1)
	}
	t.settle()
}

// drop forgets a contact.
func (t *table) drop(id overlay.ID) {
	b := &t.buckets[t.depthOf(id)]
	b.dropSpare(id)
	if i := index(b.live, id); i >= 0 {
		t.left = append(t.left, b.live[i].c)
		b.live = remove(b.live, i)
		t.resize(-1)
		t.settle()
	}
}
