package chord

import (
	"slices"
	"time"

	"ringswap/overlay"
)

// state is how far a lookup is with a node.
type state uint8

const (
	heard   state = iota // not asked yet
	waiting              // asked
	replied              // asked, and has answered
	failed               // asked, and will not answer
)

// candidate is a node that a lookup heard of.
type candidate struct {
	c     *overlay.Contact
	state state
	via   *candidate // who told of it first; nil: known from the start
	step  int        // index in steps, once asked
	late  time.Time
	// covers says that the node's successor list led up to the key.
	covers bool
	// Of an owner: vouched says that a node before the key, or a vouched owner of
	// which it is the predecessor, named it; sure that the key is its own by its own
	// word; guessed that it is worth asking without either, and blind that it was.
	vouched, sure, guessed, blind bool
	again                         bool // it did not answer in time, and is asked once more
	// Of an owner that answered: next is what it named from the key on, itself
	// included; nearer its predecessor if that stands between the key and it.
	next   []*overlay.Contact
	nearer *candidate
}

// believed reports whether an owner is the right one if it lives.
func (o *candidate) believed() bool { return o.vouched || o.sure }

// before takes in a node to be asked for the way; it reports whether it is new.
func (l *lookup) before(c *overlay.Contact, via *candidate) bool {
	const most = 64
	d := l.target.Sub(c.ID)
	i, found := slices.BinarySearchFunc(l.list, d, func(x *candidate, d overlay.ID) int {
		return l.target.Sub(x.c.ID).Compare(d)
	})
	if found || i >= most || l.m.isSelf(c) || d.IsZero() {
		return false
	}
	l.list = slices.Insert(l.list, i, &candidate{c: c, via: via})
	return true
}

// after takes in a node that may be the key's successor, or finds it; nil if it
// cannot be.
func (l *lookup) after(c *overlay.Contact, via *candidate) *candidate {
	if l.m.isSelf(c) && (l.own || !l.m.server) {
		return nil
	}
	d := c.ID.Sub(l.target)
	i, found := slices.BinarySearchFunc(l.owners, d, func(x *candidate, d overlay.ID) int {
		return x.c.ID.Sub(l.target).Compare(d)
	})
	switch {
	case found:
		return l.owners[i]
	case i >= MaxContacts:
		return nil
	}
	o := &candidate{c: c, via: via}
	l.owners = slices.Insert(l.owners, i, o)
	if l.m.isSelf(c) {
		o.state, o.next = replied, chain(c, l.m.ring.succ)
		if p := l.m.ring.pred; p != nil && p.ID.Sub(l.target).Compare(d) < 0 {
			o.nearer = l.after(p, via)
		}
	}
	return o
}

// vouch notes that a node before the key, or this one if via is nil, knows of
// nobody between the key and o.
func (o *candidate) vouch(via *candidate) {
	if o != nil && !o.vouched {
		o.vouched = true
		if o.state == heard {
			o.via = via
		}
		o.nearer.vouch(o)
	}
}

// guess notes that o may well be the key's successor.
func (o *candidate) guess() {
	if o != nil {
		o.guessed = true
	}
}
