package node

import (
	"context"
	"time"

	"ringswap/overlay"
)

// Ring is a node's view of the overlay: whom it routes through. Predecessor,
// Successors and Fingers are Chord's, Buckets are Kademlia's.
type Ring struct {
	Overlay string `json:"overlay"`
	Network string `json:"network"`
	ID      string `json:"id"`
	Place   string `json:"place"`  // of this node in the keyspace, hexadecimal
	Server  bool   `json:"server"` // answers lookups of others
	// Entries is the number of different nodes in the routing state.
	Entries int     `json:"entries"`
	RTT     float64 `json:"rtt_ms"` // how long answers take, smoothed; 0 before the first
	Sent    uint64  `json:"sent"`   // messages, all
	Asked   uint64  `json:"asked"`  // requests among them
	// Refused counts the messages of others that were not accepted, by the reason.
	Refused map[string]uint64 `json:"refused,omitempty"`
	Kept

	// Predecessor is nil while none is known.
	Predecessor *RingPeer `json:"predecessor,omitempty"`
	// Successors are in the order of the ring, the nearest first.
	Successors []RingPeer `json:"successors,omitempty"`
	// Fingers are in the order of the ring.
	Fingers []Finger `json:"fingers,omitempty"`
	// Cached is the number of nodes that are remembered from lookups.
	Cached int `json:"cached,omitempty"`

	// Buckets begin with the far half of the keyspace.
	Buckets []Bucket `json:"buckets,omitempty"`
}

// Kept is what a node has to do with records: the keys that it provides itself,
// and what it keeps for others.
type Kept struct {
	Provided int `json:"provided"` // keys that this node announces
	Keys     int `json:"keys"`     // keys with provider records of others
	Records  int `json:"records"`  // those records
	Values   int `json:"values"`
}

// RingPeer is a node of the routing state.
type RingPeer struct {
	ID    string   `json:"id"`
	Place string   `json:"place"`
	Addrs []string `json:"addrs"`
	// Distance is a share of the keyspace, 0 to 1: the way along the ring (to
	// successors and fingers, from the predecessor), or Kademlia's distance.
	Distance float64 `json:"distance"`
	RTT      float64 `json:"rtt_ms,omitempty"` // 0 if not measured
	// Seen is how many seconds ago it gave its last sign of life; absent if it
	// was never heard itself.
	Seen *float64 `json:"seen_seconds_ago,omitempty"`
	// Silent is the number of requests in a row that it did not answer.
	Silent int `json:"silent,omitempty"`
}

// Finger is a node that is remembered for a part of the ring. Row 0 divides the
// whole ring, every further row what is left until the first finger of the row
// before; Digit counts the parts of a row.
type Finger struct {
	Row   int `json:"row"`
	Digit int `json:"digit"`
	// From is where that part begins: the way from this node, as a share.
	From float64 `json:"from"`
	RingPeer
}

// Bucket is a part of the keyspace and who is known in it. Its nodes share Depth
// leading bits of their places with this node; those of the last bucket may
// share more.
type Bucket struct {
	Depth    int        `json:"depth"`
	Room     int        `json:"room"` // for so many contacts
	Contacts []RingPeer `json:"contacts"`
	Spares   int        `json:"spares"` // known too, to replace contacts that die
	// Looked is how many seconds ago a lookup last went there.
	Looked *float64 `json:"looked_seconds_ago,omitempty"`
}

// Ring implements [Service].
func (n *Node) Ring(ctx context.Context) (Ring, error) {
	r := Ring{
		Overlay: n.cfg.Overlay, Network: n.cfg.Network,
		ID: n.net.host.ID().String(), Place: overlay.PeerKey(n.net.host.ID()).ID().String(),
	}
	err := n.net.inspect(ctx, func(o routing) { o.view(time.Now(), &r) })
	if err != nil {
		return Ring{}, failure(KindFailed, err, "", "the overlay does not answer")
	}
	r.Refused, err = n.refusals(ctx)
	return r, err
}

func ringPeer(c overlay.Contact, distance overlay.ID) RingPeer {
	return RingPeer{ID: c.Peer.String(), Place: c.ID.String(), Addrs: texts(c.Addrs), Distance: share(distance)}
}

// ago is the time since then, in seconds.
func ago(now, then time.Time) *float64 {
	s := max(0, now.Sub(then).Seconds())
	return &s
}
