package node

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/record"
)

// The overlays that a node can live in.
const (
	OverlayKademlia = "kademlia"
	OverlayChord    = "chord"
)

// routing is an overlay as the rest of the node sees it: a machine and what is
// particular about it. There is one file for each overlay. All methods but the
// first three and reason look at the machine, so they are called where nobody steps it:
// through Driver.Inspect, or while the driver does not run.
type routing interface {
	// core is the machine; the driver steps it.
	core() overlay.Machine
	codec() overlay.Codec
	// protocol is the protocol's ID without the network's name.
	protocol() string

	// role is the number of nodes in the routing state, and whether this node
	// answers requests.
	role() (entries int, server bool)
	// Contacts are the nodes worth remembering, the best first.
	Contacts() []overlay.Contact
	// view fills in what the overlay knows of itself and its place.
	view(now time.Time, r *Ring)
	// refused counts the messages that the machine refused, by the reason's text;
	// reason is that of an error of the codec, nil if it has no other than that the
	// message is malformed.
	refused() map[string]uint64
	reason(err error) error
	// Snapshot is what the node keeps for others: laptops come and go all day, and
	// what they keep need not go with them. Restore takes it back before the first
	// step and returns how many records were taken.
	Snapshot() record.Snapshot
	Restore(now time.Time, kept record.Snapshot) int

	// left is the distance from a node to a key, as the overlay measures it.
	left(at, key overlay.ID) overlay.ID
	// rejoin is how often a node that has entered is given its seeds again, so
	// that networks which were apart find each other.
	rejoin() time.Duration
}

// newRouting makes the overlay that cfg names. cfg is valid.
func newRouting(cfg Config, self overlay.Contact) (routing, error) {
	make, ok := routings[cfg.Overlay]
	if !ok {
		return nil, fmt.Errorf("no overlay %q", cfg.Overlay)
	}
	return make(cfg, self)
}

// routings are the overlays of this version.
var routings = map[string]func(Config, overlay.Contact) (routing, error){
	OverlayKademlia: newKademlia,
	OverlayChord:    newChord,
}

// Overlays lists the names of the overlays of this version.
func Overlays() []string {
	var names []string
	for name := range routings {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// overlayNames is that list for people.
func overlayNames() string { return strings.Join(Overlays(), " and ") }

// share is a distance as a share of the keyspace: 0 to 1.
func share(d overlay.ID) (f float64) {
	for i := range 8 {
		f += float64(d[i]) * math.Pow(256, -float64(i+1))
	}
	// Below that, the leading bit says enough.
	if f == 0 && !d.IsZero() {
		f = math.Exp2(float64(-1 - d.LeadingZeros()))
	}
	return f
}

// bitsLeft is the length of a distance in bits: 0 to 256.
func bitsLeft(d overlay.ID) int { return 8*overlay.IDBytes - d.LeadingZeros() }
