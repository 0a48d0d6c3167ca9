package kademlia

import (
	"encoding/binary"
	"slices"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/scope"
)

// entry is a contact in a bucket. It is kept small: a simulator holds hundreds
// of millions of them, and shares the contacts.
type entry struct {
	c     *overlay.Contact
	head  uint64 // the first 64 bits of c's ID: to search and to sort, the contact need not be looked at
	seen  stamp  // the last sign of life
	tried stamp  // the last time that it was asked and did not answer
	fails uint8  // requests in a row without an answer; stops counting at 255
	// scopes are those of c's addresses: who can reach it is told from here.
	scopes scope.Set
	// proven says of a spare that it has answered us, and not only asked.
	proven bool
}

// entryOf makes the entry of a contact that answered.
func entryOf(c *overlay.Contact, seen stamp) entry {
	return entry{c: c, seen: seen, head: headOf(c.ID), scopes: scope.SetOf(c.Addrs), proven: true}
}

// headOf is the first 64 bits of an ID.
func headOf(id overlay.ID) uint64 { return binary.BigEndian.Uint64(id[:8]) }

// silent reports whether the contact failed to answer last time.
func (e *entry) silent() bool { return e.fails > 0 }

// stamp is a time in whole seconds since 1970, which is enough to tell how
// fresh a contact is.
type stamp uint32

func stampOf(t time.Time) stamp { return stamp(max(0, t.Unix())) }

func (s stamp) time() time.Time { return time.Unix(int64(s), 0) }

// since is how long before now s was; never negative.
func (s stamp) since(now stamp) time.Duration {
	if s > now {
		return 0
	}
	return time.Duration(now-s) * time.Second
}

// bucket holds the contacts at one depth of the table.
type bucket struct {
	// live is ordered by last sign of life, the least recent first.
	live []entry
	// spare is the replacement cache: who would have been taken had there been
	// room, the most recent last.
	spare []entry
	// looked is the last time that a lookup ended in this bucket's range.
	looked stamp
	// pinging says that a ping to make room is on its way.
	pinging bool
}

// remove takes the i-th entry out of a list and keeps the order.
func remove(list []entry, i int) []entry {
	copy(list[i:], list[i+1:])
	list[len(list)-1] = entry{}
	return list[:len(list)-1]
}

// index finds a contact in a list, or returns -1.
func index(list []entry, id overlay.ID) int {
	head := headOf(id)
	for i := range list {
		if list[i].head == head && list[i].c.ID == id {
			return i
		}
	}
	return -1
}

// touch moves the i-th live entry to the end, as the one seen last.
func (b *bucket) touch(i int) *entry {
	e := b.live[i]
	copy(b.live[i:], b.live[i+1:])
	last := len(b.live) - 1
	b.live[last] = e
	return &b.live[last]
}

// keepSpare puts e into the replacement cache as its most recent entry, at the
// cost of the oldest that has not answered, or else of the oldest.
func (b *bucket) keepSpare(e entry, limit int) {
	if i := index(b.spare, e.c.ID); i >= 0 {
		e.proven = e.proven || b.spare[i].proven
		b.spare = remove(b.spare, i)
	} else if len(b.spare) >= limit {
		b.spare = remove(b.spare, max(0, slices.IndexFunc(b.spare, func(e entry) bool { return !e.proven })))
	}
	b.spare = append(b.spare, e)
}

// takeSpare takes out the spare that the bucket should have next: the most
// recent of those that have answered, else the most recent. There must be one.
func (b *bucket) takeSpare() entry {
	i := len(b.spare) - 1
	for i >= 0 && !b.spare[i].proven {
		i--
	}
	if i < 0 {
		i = len(b.spare) - 1
	}
	e := b.spare[i]
	b.spare = remove(b.spare, i)
	return e
}

// dropSpare forgets a spare contact.
func (b *bucket) dropSpare(id overlay.ID) {
	if i := index(b.spare, id); i >= 0 {
		b.spare = remove(b.spare, i)
	}
}

// answering is the number of contacts that answered last time.
func (b *bucket) answering() (n int) {
	for i := range b.live {
		if !b.live[i].silent() {
			n++
		}
	}
	return n
}

// worst is the index of the silent live entry with the most failures, the
// longest unseen among equals, or -1 if none is silent.
func (b *bucket) worst() int {
	worst := -1
	for i := range b.live {
		if b.live[i].silent() && (worst < 0 || b.live[i].fails > b.live[worst].fails) {
			worst = i
		}
	}
	return worst
}
