package node

import (
	"time"

	"ringswap/kademlia"
	"ringswap/overlay"
)

// kademliaRouting is Kademlia as a node uses it.
type kademliaRouting struct{ *kademlia.Machine }

func newKademlia(_ Config, self overlay.Contact) (routing, error) {
	m, err := kademlia.New(kademlia.Config{Self: self, Server: true, Rand: newRand()})
	return kademliaRouting{m}, err
}

func (k kademliaRouting) core() overlay.Machine            { return k.Machine }
func (kademliaRouting) codec() overlay.Codec               { return kademlia.Codec{} }
func (kademliaRouting) protocol() string                   { return "kad/1.0.0" }
func (kademliaRouting) left(at, key overlay.ID) overlay.ID { return at.Xor(key) }

// rejoin is rare: the machine itself keeps trying while it is alone, and its
// lookups cross from one network into another as soon as one node knows both.
func (kademliaRouting) rejoin() time.Duration { return 10 * time.Minute }

func (k kademliaRouting) role() (entries int, server bool) {
	v := k.View()
	return v.Contacts, v.Server
}

func (k kademliaRouting) view(now time.Time, r *Ring) {
	v := k.View()
	r.Server, r.Entries, r.RTT = v.Server, v.Contacts, ms(v.RoundTrip)
	r.Sent, r.Asked = v.Sent, v.Asked
	r.Kept = Kept{Provided: v.Provided, Keys: v.Keys, Records: v.Records, Values: v.Values}
	r.Buckets = make([]Bucket, 0, len(v.Buckets))
	for _, b := range v.Buckets {
		view := Bucket{Depth: b.Depth, Room: b.Room, Spares: b.Spares, Contacts: []RingPeer{}}
		if !b.Looked.IsZero() {
			view.Looked = ago(now, b.Looked)
		}
		for _, c := range b.Contacts {
			p := ringPeer(c.Contact, c.Contact.ID.Xor(v.Self.ID))
			p.Seen, p.Silent = ago(now, c.Seen), c.Silent
			view.Contacts = append(view.Contacts, p)
		}
		r.Buckets = append(r.Buckets, view)
	}
}

// refused: Kademlia's machine refuses nothing that it counts.
func (kademliaRouting) refused() map[string]uint64 { return nil }
func (kademliaRouting) reason(error) error         { return nil }
