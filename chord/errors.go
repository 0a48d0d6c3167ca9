package chord

import (
	"errors"
	"fmt"
	"slices"

	"ringswap/overlay"
)

// Reasons for which a message is refused. Each of them wraps
// [overlay.ErrBadMessage] or [overlay.ErrRefused] in what the machine returns,
// and is counted in [View.Refused].
var (
	// ErrUnknownMessage: a type that this version of the protocol does not have,
	// or an answer to something else than was asked.
	ErrUnknownMessage = errors.New("unknown message")
	// ErrDisorder: a list of nodes that is not in ring order, or names one twice.
	ErrDisorder = errors.New("nodes out of order")
	// ErrForged: a contact whose ID is not the hash of its peer ID, or a request
	// made in the name of another node.
	ErrForged = errors.New("forged identity")
	// ErrUnreachable: a contact without any address that this node could use.
	ErrUnreachable = errors.New("no usable address")
	// ErrBounds: a message that exceeds the protocol's bounds.
	ErrBounds = errors.New("out of bounds")
	// ErrUnasked: the result of a lookup that this node does not run.
	ErrUnasked = errors.New("result of no lookup")
	// ErrLimit: more requests than one peer may send.
	ErrLimit = errors.New("too many requests")
	// ErrClient: a request to a node that is not in the ring.
	ErrClient = errors.New("not in the ring")
	// ErrRange: a record for a key that is far from this node's part of the ring,
	// or one that was handed over by a node that is not near.
	ErrRange = errors.New("not responsible for the key")
)

// bad is an error about a message that breaks the protocol.
func bad(reason error, format string, args ...any) error {
	return fmt.Errorf("%w: chord: %w: %s", overlay.ErrBadMessage, reason, fmt.Sprintf(format, args...))
}

// refused is an error about a request that is well-formed and not granted.
func refused(reason error) error {
	return fmt.Errorf("%w: chord: %w", overlay.ErrRefused, reason)
}

// reasons are all that messages are refused for, by which they are counted.
var reasons = [...]error{ErrUnknownMessage, ErrDisorder, ErrForged, ErrUnreachable, ErrBounds, ErrUnasked, ErrLimit, ErrClient, ErrRange}

// Reasons lists all that messages are refused for. The codec's errors wrap one of
// them, too.
func Reasons() []error { return slices.Clone(reasons[:]) }

// refusals counts refused messages by their reason.
type refusals [len(reasons)]uint64

// count counts err if it is for one of the reasons.
func (r *refusals) count(err error) {
	for i, reason := range reasons {
		if errors.Is(err, reason) {
			r[i]++
			return
		}
	}
}
