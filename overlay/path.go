package overlay

import (
	"errors"
	"time"
)

// Errors of operations, returned by Driver methods and carried by Done.
var (
	// ErrNoPeers: the node knows nobody to ask. It has not joined any network.
	ErrNoPeers = errors.New("no other node of this network is known")
	// ErrNotFound: the responsible nodes were asked and none had the record.
	ErrNotFound = errors.New("not found")
	// ErrCanceled: the operation was cancelled by its owner.
	ErrCanceled = errors.New("operation cancelled")
	// ErrClosed: the node is leaving or has left.
	ErrClosed = errors.New("overlay is closed")
	// ErrTimeout: a node did not answer in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrRefused: a node, or a limit of ours, refused the request.
	ErrRefused = errors.New("request refused")
	// ErrBadMessage: the bytes or the content of a message break the protocol.
	ErrBadMessage = errors.New("malformed message")
)

// Path is the course of a lookup: who was asked, in the order of asking, and
// what came of it.
type Path struct {
	Key ID
	// Closest are the responsible nodes as far as found, nearest first.
	Closest []Contact
	// Steps has one entry for every request that was sent.
	Steps []Step
	// Hops is the number of requests in the longest chain of referrals that led
	// to the nearest node found: 0 if it was known from the start.
	Hops int
	// Recursive says that other nodes passed the lookup on, and the last of them
	// answered. Steps with a Via are then as those nodes told.
	Recursive bool
}

// Step is one request of a lookup.
type Step struct {
	To Contact
	// Via is the index in Steps of the answer that told us of To, or -1 if To was
	// in the routing table.
	Via int
	// Hop is 1 for a node from the routing table, one more than Via's otherwise.
	Hop int
	// Sent and Took are the time since the lookup's start, and the round trip.
	Sent, Took time.Duration
	// Learned is the number of contacts that were new to the lookup.
	Learned int
	// Err is nil if To answered; ErrCanceled if the lookup ended before it did.
	Err error
}

// RPCs is the number of requests that the lookup sent.
func (p Path) RPCs() int { return len(p.Steps) }
