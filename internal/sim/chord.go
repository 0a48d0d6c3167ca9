package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
)

// Chord is the Chord overlay for the simulator. Self, Server and Rand of the
// configuration are set for each node; contacts without addresses are accepted
// where they have none.
type Chord struct{ Config chord.Config }

var _ Overlay = Chord{}

// Name implements [Overlay].
func (c Chord) Name() string { return "chord" }

// New implements [Overlay].
func (c Chord) New(self overlay.Contact, server, addrs bool, rng *rand.Rand) (overlay.Machine, error) {
	cfg := c.Config
	cfg.Self, cfg.Server, cfg.Rand = self, server, rng
	cfg.Ring.Addressless = !addrs
	return chord.New(cfg)
}

// Codec implements [Overlay].
func (c Chord) Codec() overlay.Codec { return chord.Codec{} }

// Entries implements [Overlay].
func (c Chord) Entries(m overlay.Machine) int { return m.(*chord.Machine).Size() }

// Member implements [Overlay].
func (c Chord) Member(m overlay.Machine) bool { return m.(*chord.Machine).Member() }

// Contacts implements [Overlay].
func (c Chord) Contacts(m overlay.Machine) []overlay.Contact { return m.(*chord.Machine).Contacts() }

// Check implements [Overlay].
func (c Chord) Check(m overlay.Machine) error { return m.(*chord.Machine).CheckInvariants() }

// Responsible implements [Overlay].
func (c Chord) Responsible(d *Directory, key overlay.ID, n int) []*overlay.Contact {
	return d.Successors(key, n)
}

// Lie implements [Overlay]: the accomplices after the key are its owners.
func (c Chord) Lie(req overlay.Message, _ *overlay.Contact, accomplices *Directory) overlay.Message {
	msg, ok := req.(*chord.FindRequest)
	if !ok {
		return nil
	}
	key := overlay.RawKey(msg.Key).ID()
	if msg.Point && len(msg.Key) == overlay.IDBytes {
		key = overlay.ID(msg.Key)
	}
	return &chord.FindAnswer{Owners: accomplices.Successors(key, msg.N)}
}

// Preload implements [Overlay]: the next r nodes, a finger in every interval
// that goes beyond them, and a cache with as many nodes at random between
// distance d and 2d for every d.
func (c Chord) Preload(m overlay.Machine, p Preload) {
	n := p.Directory.Len()
	if n < 2 {
		return
	}
	cfg := c.Config.WithDefaults()
	r := around{Preload: p, n: n - 1, succ: min(cfg.Ring.Successors, n-1)}
	t := chord.Table{Predecessor: r.at(n - 2), Successors: make([]*overlay.Contact, r.succ)}
	for i := range t.Successors {
		t.Successors[i] = r.at(i)
	}
	t.Fingers = r.fingers(cfg.Fingers.Bits, max(0, cfg.Fingers.Candidates))
	t.Cache = r.cache(max(0, cfg.Cache.Entries))
	if p.RTT != nil {
		self := p.Directory.list[p.I]
		t.RoundTrip = func(c *overlay.Contact) time.Duration { return p.RTT(self, c) }
	}
	m.(*chord.Machine).Preload(p.Now, t)
}

// around is the ring as seen from one node: places count the others in the order
// of the ring, from 0 for the node's successor.
type around struct {
	Preload
	n    int // others
	succ int // places up to this one are in the successor list
}

// at is the node at a place.
func (r *around) at(place int) *overlay.Contact {
	return r.Directory.list[(r.I+1+place)%(r.n+1)]
}

// place is that of the first node at or after the given distance, in units of
// 2^-64 of the ring; 0 means all the way around.
func (r *around) place(distance uint64) int {
	id := r.Directory.list[r.I].ID
	binary.BigEndian.PutUint64(id[:], headOf(id)+distance)
	return (r.Directory.Search(id) + r.n - r.I) % (r.n + 1)
}

// fingers are one node of each interval with digits of b bits (base 2^b), the
// nearest first: of some candidates the one with the least round trip, or the
// interval's first node if there are to be no candidates.
func (r *around) fingers(b, candidates int) (out []*overlay.Contact) {
	for level := 64/b - 1; level >= 0; level-- {
		whole := uint64(0) // the distance at which the level ends; 0 at the top
		if level > 0 {
			whole = 1 << (64 - b*level)
		}
		if r.place(whole) <= r.succ {
			continue // all of its nodes are in the successor list
		}
		unit := uint64(1) << (64 - b*(level+1))
		from := r.place(unit)
		for j := uint64(2); j <= 1<<b; j++ {
			to := r.place(j * unit) // overflows to 0 at the very end, which is right
			if from < to && to > r.succ {
				if c := r.choose(max(from, r.succ), to, candidates, from >= r.succ); c != nil {
					out = append(out, c)
				}
			}
			from = to
		}
	}
	return out
}

// choose is the finger among the places from one to another. first says that the
// first of them is the first of the interval.
func (r *around) choose(from, to, candidates int, first bool) *overlay.Contact {
	if candidates == 0 {
		if !first {
			return nil // the interval's first node is in the successor list
		}
		return r.at(from)
	}
	best := r.at(from + r.Rand.IntN(to-from))
	if r.RTT == nil {
		return best
	}
	self := r.Directory.list[r.I]
	least := r.RTT(self, best)
	for range min(candidates, to-from) - 1 {
		c := r.at(from + r.Rand.IntN(to-from))
		if rtt := r.RTT(self, c); rtt < least {
			best, least = c, rtt
		}
	}
	return best
}

// cache is n nodes beyond the successor list, as many between distance d and 2d
// for every d as far as there are that many, the nearest first.
func (r *around) cache(n int) []*overlay.Contact {
	n = min(n, r.n-r.succ)
	if n <= 0 {
		return nil
	}
	out := make([]*overlay.Contact, 0, n)
	octaves := 0
	for from := max(1, r.succ); from < r.n; from *= 2 {
		octaves++
	}
	last := -1
	for from := max(1, r.succ); from < r.n; from *= 2 {
		to := min(2*from, r.n)
		take := min((n-len(out)+octaves-1)/octaves, to-from)
		for i := range take { // one of each of so many equal parts
			part := float64(to-from) / float64(take)
			place := from + int((float64(i)+r.Rand.Float64())*part)
			if place = max(place, last+1); place < to {
				out = append(out, r.at(place))
				last = place
			}
		}
		octaves--
	}
	return out
}
