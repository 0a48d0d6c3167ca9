package chord

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"ringswap/overlay"
)

// role is why an entry is in the index; an entry can have several.
type role uint8

const (
	successor role = 1 << iota // in the successor list, which may be by hearsay
	finger                     // the finger of its interval
	cached                     // answered some time
)

// entry is a contact of the index. It is kept small: a machine has a thousand,
// and a simulator has machines by the hundred thousand.
type entry struct {
	c     *overlay.Contact
	seen  uint32 // last sign of life, in Unix seconds; 0: never
	rtt   uint16 // latest round trip in units of 100 µs; 0: unknown
	roles role
}

// index holds all contacts of a node ordered by their distance from it, so that
// the node that most closely precedes a key (ToN, section IV-D) is one binary
// search away, whatever reason the contact is there for.
type index struct {
	self overlay.ID
	list []entry
	// dist are the first 64 bits of the distances from self clockwise to the entries:
	// apart from them, since a search looks at nothing else.
	dist []uint64
	// within[n] counts the entries at a distance of less than 2^n: the list is
	// searched from where the distance's own order of magnitude begins.
	within [distanceBits + 1]uint32
}

// distanceBits is the length of an entry's distance.
const distanceBits = 64

// head is the first 64 bits of an ID.
func head(id overlay.ID) uint64 { return binary.BigEndian.Uint64(id[:8]) }

// search is the place of id in the list, and whether it is there.
func (x *index) search(id overlay.ID) (int, bool) {
	full := id.Sub(x.self)
	d := head(full)
	i := x.reach(d)
	for i < len(x.dist) && x.dist[i] == d && x.list[i].c.ID.Sub(x.self).Compare(full) < 0 {
		i++
	}
	return i, i < len(x.dist) && x.dist[i] == d && x.list[i].c.ID == id
}

// reach is the place of the first entry at a distance of d or more. Distances of
// one order of magnitude are spread rather evenly, so a guess is seldom far off.
func (x *index) reach(d uint64) int {
	n := bits.Len64(d)
	if n == 0 {
		return 0
	}
	lo, hi := int(x.within[n-1]), int(x.within[n])
	const near = 8
	part, _ := bits.Mul64(d<<(distanceBits-n)<<1, uint64(hi-lo))
	switch guess := lo + int(part); {
	case guess == hi:
	case x.dist[guess] < d:
		if lo = guess + 1; guess+near < hi && x.dist[guess+near] >= d {
			hi = guess + near
		}
	default:
		if hi = guess; guess-near >= lo && x.dist[guess-near] < d {
			lo = guess - near + 1
		}
	}
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); x.dist[mid] < d {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// count takes the entries from the i-th on, which were appended, into within.
func (x *index) count(i int) {
	var of [distanceBits + 1]uint32
	for _, d := range x.dist[i:] {
		of[bits.Len64(d)]++
	}
	sum := uint32(0)
	for n := range of {
		sum += of[n]
		x.within[n] += sum
	}
}

// insert makes an entry for c the i-th.
func (x *index) insert(i int, c *overlay.Contact) {
	d := head(c.ID.Sub(x.self))
	x.list, x.dist = slices.Insert(x.list, i, entry{c: c}), slices.Insert(x.dist, i, d)
	for n := bits.Len64(d); n <= distanceBits; n++ {
		x.within[n]++
	}
}

// delete takes the i-th entry out.
func (x *index) delete(i int) {
	for n := bits.Len64(x.dist[i]); n <= distanceBits; n++ {
		x.within[n]--
	}
	x.list, x.dist = slices.Delete(x.list, i, i+1), slices.Delete(x.dist, i, i+1)
}

// stretch is the part of the list at a distance of lo or more, and less than
// lo+width; that is the rest of the list if the sum is the whole ring.
func (x *index) stretch(lo, width overlay.ID) (from, to int) {
	from, _ = x.search(add(x.self, lo))
	end := add(lo, width)
	if end.IsZero() {
		return from, len(x.list)
	}
	to, _ = x.search(add(x.self, end))
	return from, to
}

func (x *index) find(id overlay.ID) *entry {
	if i, ok := x.search(id); ok {
		return &x.list[i]
	}
	return nil
}

// put makes an entry for c, or finds it and gives it the newer contact.
func (x *index) put(c *overlay.Contact) *entry {
	i, ok := x.search(c.ID)
	if ok {
		if len(c.Addrs) > 0 {
			x.list[i].c = c
		}
		return &x.list[i]
	}
	x.insert(i, c)
	return &x.list[i]
}

func (x *index) remove(id overlay.ID) {
	if i, ok := x.search(id); ok {
		x.delete(i)
	}
}

// preceding appends up to n contacts that stand strictly between this node and
// the key, each nearer to the key than the next. Of those that come next it takes
// the one for which the odds are best; with no odds, the nearest.
func (x *index) preceding(out []*overlay.Contact, key overlay.ID, n int, o *odds, keep func(*overlay.Contact) bool) []*overlay.Contact {
	i, _ := x.search(key)
	at := head(key.Sub(x.self))
	if key == x.self { // the whole ring is before it
		i, at = len(x.list), math.MaxUint64
	}
	for ; n > 0; n-- {
		if i = x.favourite(i, at, o, keep); i < 0 {
			break
		}
		out = append(out, x.list[i].c)
	}
	return out
}

// favourite is the best by the odds of the few contacts next before the i-th that can be
// kept; -1 if there is none. at is the distance of the key.
func (x *index) favourite(i int, at uint64, o *odds, keep func(*overlay.Contact) bool) int {
	const few = 8
	best, least := -1, 0.
	for seen := 0; i > 0 && seen < few; {
		i--
		e := &x.list[i]
		if keep != nil && !keep(e.c) {
			continue
		}
		if o == nil {
			return i
		}
		if !o.trusted(e) {
			continue
		}
		seen++
		if cost := o.cost(e, at-x.dist[i]); best < 0 || cost < least {
			best, least = i, cost
		}
	}
	return best
}

// logDistance is about 1024 times the binary logarithm of a distance.
func logDistance(d uint64) int {
	n := bits.Len64(d)
	if n == 0 {
		return 0
	}
	return n<<10 | int(d<<(64-n)<<1>>54)
}

// thin removes one entry that is there only as cached: among a few drawn at
// random the one whose neighbours stand closest together on a logarithmic scale.
// What remains has as many entries between distance d and 2d for every d, a
// density of 1/x.
func (x *index) thin(rng *rand.Rand) {
	const draws = 8
	worst, least := -1, 0
	for range draws {
		i := rng.IntN(len(x.list))
		if x.list[i].roles != cached {
			continue
		}
		lo, hi := 0, logDistance(^uint64(0))
		if i > 0 {
			lo = logDistance(x.dist[i-1])
		}
		if i+1 < len(x.list) {
			hi = logDistance(x.dist[i+1])
		}
		if worst < 0 || hi-lo < least {
			worst, least = i, hi-lo
		}
	}
	if worst >= 0 {
		x.delete(worst)
	}
}

// answered notes a sign of life, and the round trip if there was one.
func (e *entry) answered(now time.Time, rtt time.Duration) {
	e.seen = uint32(now.Unix())
	if rtt > 0 {
		e.rtt = uint16(min(rtt/(100*time.Microsecond)+1, 1<<16-1))
	}
}

// age is the time since the last sign of life, in whole seconds.
func (e *entry) age(now time.Time) time.Duration {
	return time.Duration(max(0, now.Unix()-int64(e.seen))) * time.Second
}

func (e *entry) roundTrip() time.Duration { return time.Duration(e.rtt) * 100 * time.Microsecond }

// between reports whether x is strictly inside the way from a clockwise to b. If
// a and b are one point, that is the whole ring without it.
func between(a, x, b overlay.ID) bool {
	if x == a || x == b {
		return false
	}
	return a == b || x.Sub(a).Compare(b.Sub(a)) < 0
}

// upTo reports whether x is on the way from a clockwise to b, b included.
func upTo(a, x, b overlay.ID) bool { return x == b || between(a, x, b) }
