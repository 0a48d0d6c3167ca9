package sim

import (
	"math/rand/v2"
	"slices"

	"ringswap/kademlia"
	"ringswap/overlay"
)

// Kademlia is the Kademlia overlay for the simulator. Self, Server and Rand of
// the configuration are set for each node; contacts without addresses are always
// accepted.
type Kademlia struct{ Config kademlia.Config }

var _ Overlay = Kademlia{}

// Name implements [Overlay].
func (k Kademlia) Name() string { return "kademlia" }

// New implements [Overlay].
func (k Kademlia) New(self overlay.Contact, server, addrs bool, rng *rand.Rand) (overlay.Machine, error) {
	cfg := k.Config
	cfg.Self, cfg.Server, cfg.Rand = self, server, rng
	cfg.Table.Addressless = !addrs
	return kademlia.New(cfg)
}

// Codec implements [Overlay].
func (k Kademlia) Codec() overlay.Codec { return kademlia.Codec{} }

// Entries implements [Overlay].
func (k Kademlia) Entries(m overlay.Machine) int { return m.(*kademlia.Machine).Size() }

// Member implements [Overlay]: whoever knows somebody has joined.
func (k Kademlia) Member(m overlay.Machine) bool { return m.(*kademlia.Machine).Size() > 0 }

// Contacts implements [Overlay].
func (k Kademlia) Contacts(m overlay.Machine) []overlay.Contact {
	return m.(*kademlia.Machine).Contacts()
}

// Check implements [Overlay].
func (k Kademlia) Check(m overlay.Machine) error { return m.(*kademlia.Machine).CheckInvariants() }

// Responsible implements [Overlay].
func (k Kademlia) Responsible(d *Directory, key overlay.ID, n int) []*overlay.Contact {
	return d.Nearest(key, n)
}

// Lie implements [Overlay]: the accomplices nearest to the key.
func (k Kademlia) Lie(req overlay.Message, _ *overlay.Contact, accomplices *Directory) overlay.Message {
	msg, ok := req.(*kademlia.Message)
	if !ok || len(msg.Key) == 0 {
		return nil
	}
	switch msg.Type {
	case kademlia.FindNode, kademlia.GetProviders, kademlia.GetValue:
		near := accomplices.Nearest(overlay.RawKey(msg.Key).ID(), k.size())
		return &kademlia.Message{Type: msg.Type, Closer: near}
	}
	return nil
}

// size is the paper's k.
func (k Kademlia) size() int { return k.Config.WithDefaults().K }

// Preload implements [Overlay]: of every subtree beside the node's own it knows
// all nodes, or as many at random as a bucket takes; of the smallest subtree
// around itself with k nodes it knows everyone.
func (k Kademlia) Preload(m overlay.Machine, p Preload) {
	d, self := p.Directory, p.Directory.At(p.I).ID
	cfg := k.Config.WithDefaults()
	bucket := cfg.Table.BucketSize
	lo, hi := 0, d.Len() // the nodes that share depth bits with this one
	fill := make([]*overlay.Contact, 0, 4*bucket)
	for depth := 0; hi-lo > 1; depth++ {
		mid := d.half(lo, hi, depth)
		a, b := lo, mid // the other half
		if self.Bit(depth) == 0 {
			a, b, hi = mid, hi, mid
		} else {
			lo = mid
		}
		if hi-lo <= cfg.K || b-a <= bucket { // part of the nearest subtree, or small
			fill = append(fill, d.list[a:b]...)
			continue
		}
		fill = sample(fill, d.list[a:b], bucket, p.Rand)
	}
	slices.Reverse(fill) // the near ones first, as the table would learn them
	m.(*kademlia.Machine).Preload(p.Now, fill)
}

// sample appends n different elements of from, chosen at random; n is well below
// its length.
func sample(out, from []*overlay.Contact, n int, rng *rand.Rand) []*overlay.Contact {
	first := len(out)
	for len(out) < first+n {
		if c := from[rng.IntN(len(from))]; !slices.Contains(out[first:], c) {
			out = append(out, c)
		}
	}
	return out
}
