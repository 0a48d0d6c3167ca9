package node

import (
	"time"

	"ringswap/chord"
	"ringswap/overlay"
)

// chordRouting is Chord as a node uses it.
type chordRouting struct {
	*chord.Machine
	bits int // of a digit of the fingers' table
}

func newChord(cfg Config, self overlay.Contact) (routing, error) {
	const bits = 4
	m, err := chord.New(chord.Config{
		Self: self, Server: true, Rand: newRand(),
		Fingers: chord.FingerConfig{Bits: bits},
		Lookup:  chord.LookupConfig{Recursive: cfg.Recursive},
	})
	return chordRouting{m, bits}, err
}

func (c chordRouting) core() overlay.Machine { return c.Machine }
func (chordRouting) codec() overlay.Codec    { return chord.Codec{} }
func (chordRouting) protocol() string        { return "chord/1.0.0" }

// left is the way clockwise: a key belongs to the first node at or after it.
func (chordRouting) left(at, key overlay.ID) overlay.ID { return key.Sub(at) }

// rejoin is frequent: two rings that were apart stay so, whatever lookups do,
// until a node of one hears of the other's.
func (chordRouting) rejoin() time.Duration { return time.Minute }

func (c chordRouting) role() (entries int, server bool) {
	v := c.View()
	return v.Entries, v.Server
}

func (c chordRouting) view(now time.Time, r *Ring) {
	v := c.View()
	r.Server, r.Entries, r.RTT = v.Server, v.Entries, ms(v.RoundTrip)
	r.Sent, r.Asked, r.Cached = v.Sent, v.Sent, v.Cached
	r.Kept = Kept{Provided: v.Provided, Keys: v.Keys, Records: v.Records, Values: v.Values}
	if p := v.Predecessor; p != nil {
		before := ringPeer(*p, v.Self.ID.Sub(p.ID))
		before.RTT, before.Seen = ms(v.PredecessorTrip), ago(now, v.PredecessorSeen)
		r.Predecessor = &before
	}
	for _, s := range v.Successors {
		r.Successors = append(r.Successors, ringNode(now, v.Self.ID, s))
	}
	for _, f := range v.Fingers {
		d := f.Contact.ID.Sub(v.Self.ID)
		row, digit, from := interval(c.bits, d)
		r.Fingers = append(r.Fingers, Finger{
			Row: row, Digit: digit, From: share(from), RingPeer: ringNode(now, v.Self.ID, f),
		})
	}
}

// ringNode is a contact as seen from self along the ring.
func ringNode(now time.Time, self overlay.ID, c chord.ContactView) RingPeer {
	p := ringPeer(c.Contact, c.Contact.ID.Sub(self))
	p.RTT = ms(c.RoundTrip)
	if !c.Seen.IsZero() {
		p.Seen = ago(now, c.Seen)
	}
	return p
}

// interval is the part of the ring that a finger at a distance stands for: the
// place of the distance's first digit that is not zero, that digit, and the
// distance at which the part begins. A digit has so many bits, 1 to 8.
func interval(bits int, d overlay.ID) (row, digit int, from overlay.ID) {
	if d.IsZero() {
		return 0, 0, from
	}
	row = d.LeadingZeros() / bits
	for i := row * bits; i < (row+1)*bits; i++ {
		digit <<= 1
		if i < 8*overlay.IDBytes && d[i/8]&(0x80>>(i%8)) != 0 {
			digit |= 1
			from[i/8] |= 0x80 >> (i % 8)
		}
	}
	return row, digit, from
}

func (c chordRouting) refused() map[string]uint64 { return c.View().Refused }
func (chordRouting) reason(err error) error       { return oneOf(chord.Reasons(), err) }
