package sim

import (
	"math/rand/v2"
	"time"

	"ringswap/overlay"
)

// Overlay is what the simulator must know of an overlay beyond the contract of
// its machines. [Kademlia] and [Chord] are the two there are.
type Overlay interface {
	// Name is the overlay's name on the command line.
	Name() string
	// New makes the machine of a node. The source belongs to the machine. addrs
	// says whether contacts carry addresses in this run.
	New(self overlay.Contact, server, addrs bool, rng *rand.Rand) (overlay.Machine, error)
	// Codec is the overlay's wire format.
	Codec() overlay.Codec
	// Preload fills the tables of the i-th node of the directory as they would be
	// after a long time in a network of all of them.
	Preload(m overlay.Machine, p Preload)
	// Entries is the number of contacts that the machine routes by.
	Entries(m overlay.Machine) int
	// Member reports whether the machine of a node that said no good-bye has
	// joined the overlay.
	Member(m overlay.Machine) bool
	// Contacts are those a node remembers for its next start.
	Contacts(m overlay.Machine) []overlay.Contact
	// Check reports what is wrong with a machine's state, if anything.
	Check(m overlay.Machine) error
	// Responsible are the n nodes of the directory that are responsible for key,
	// the first one first.
	Responsible(d *Directory, key overlay.ID, n int) []*overlay.Contact
	// Lie is what a liar answers to a request: whatever draws the asker to the
	// accomplices. nil means that there is nothing to gain; then the honest answer
	// is given.
	Lie(req overlay.Message, self *overlay.Contact, accomplices *Directory) overlay.Message
}

// Preload is what an [Overlay] needs to fill the tables of one node.
type Preload struct {
	Now       time.Time
	Directory *Directory
	// I is the node's index in the directory.
	I int
	// Rand depends on the run's seed and the node only, so that a node whose
	// machine is made twice has the same tables twice.
	Rand *rand.Rand
	// RTT is the mean round trip between two nodes of the directory, as a node
	// could measure it; nil if it is the same for any two.
	RTT func(a, b *overlay.Contact) time.Duration
}
