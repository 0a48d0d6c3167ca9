package chord

import "errors"

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
)
