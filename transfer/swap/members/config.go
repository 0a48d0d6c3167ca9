package members

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// MaxAddrs is how many addresses of a node are told and believed.
const MaxAddrs = 4

// Config is what a [Members] goes by. The zero value of every field but Self
// and Rand means its default.
type Config struct {
	Self peer.ID    // this node: never told of, never tried
	Rand *rand.Rand // the owner's, for it alone

	// Every is the least time between two messages to one node, and Sooner the
	// least between two from one: 15 s, and 5 s, since messages are held up.
	Every, Sooner time.Duration
	// MaxTold bounds the nodes of one message, either way: 32, as the wire does.
	MaxTold int
	// MaxNamed bounds the nodes that were named and not met, and MaxNamers those
	// whose words are remembered: 512 and 1,024.
	MaxNamed, MaxNamers int
	// MaxByNamer bounds those of MaxNamed that one node named: 32.
	MaxByNamer int
	// MaxInNet bounds those of MaxNamed with an address in one net of public
	// addresses, a /24 of IPv4 or a /48 of IPv6: 4.
	MaxInNet int
	// Retry is how long a named node counts against these bounds, and is not
	// named anew, after it was first given out to be tried: 10 minutes. Until then
	// it is given out Attempts times, 3: again after Pause, 10 s, and then after
	// three times as long as the time before; each of these waits is up to a half
	// shorter, at random, if the node has a higher peer ID than this one, and else up
	// to a half longer.
	Retry, Pause time.Duration
	Attempts     int
	// Yield is how long this node leaves it to a node of a lower peer ID to connect
	// first, once it was named: 1 s, and up to as long again at random.
	Yield time.Duration
	// Retell is after how long a node is told again of one that is still here, in
	// case it did not come to know it by then: 15 minutes.
	Retell time.Duration
	// Patience is how many more of those that a node named may turn out to be
	// out of reach than were met, before it is not believed any more: 8.
	Patience int
}

func (c Config) withDefaults() Config {
	def(&c.Every, 15*time.Second)
	def(&c.Sooner, 5*time.Second)
	def(&c.MaxTold, 32)
	def(&c.MaxNamed, 512)
	def(&c.MaxNamers, 1024)
	def(&c.MaxByNamer, 32)
	def(&c.MaxInNet, 4)
	def(&c.Retry, 10*time.Minute)
	def(&c.Pause, 10*time.Second)
	def(&c.Attempts, 3)
	def(&c.Yield, time.Second)
	def(&c.Retell, 15*time.Minute)
	def(&c.Patience, 8)
	return c
}

// def sets a field that was left zero.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	switch c = c.withDefaults(); {
	case c.Self == "" || c.Rand == nil:
		return errors.New("members: Self and Rand are required")
	case c.Every < 0 || c.Sooner < 0 || c.Retry < 0 || c.Pause < 0 || c.Yield < 0 || c.Retell < 0:
		return errors.New("members: a time is negative")
	case c.MaxTold < 1 || c.MaxNamed < 1 || c.MaxNamers < 1 || c.MaxByNamer < 1 || c.MaxInNet < 1 || c.Attempts < 1 || c.Patience < 1:
		return errors.New("members: a bound is negative")
	}
	return nil
}
