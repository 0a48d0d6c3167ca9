package scope

import (
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
)

// Set is which scopes a contact's addresses have: what has to be known of them
// to tell who can use them, without looking at them again. The bit of None also
// stands for addresses beyond [overlay.MaxAddrs]. The empty set is no address.
type Set uint8

// SetOf is the set of the scopes of these addresses.
func SetOf(addrs []ma.Multiaddr) (s Set) {
	if len(addrs) > overlay.MaxAddrs {
		s = 1 << None
	}
	for _, a := range addrs {
		s |= 1 << Of(a)
	}
	return s
}

// Reachable reports whether someone at that scope can use any of the addresses:
// what [Reachable] says.
func (s Set) Reachable(from Scope) bool { return s>>from != 0 }

// Within reports whether someone at that scope can use all of the addresses, so
// that [Within] returns them as they are.
func (s Set) Within(from Scope) bool { return s&(1<<from-1) == 0 }
