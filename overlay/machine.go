package overlay

import (
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Machine is an overlay protocol as a pure function of state, time and input.
//
// The owner (a [Driver] or a simulator) calls Step with every event, one at a
// time, with a time that never goes back, and performs the effects in order. It
// calls Step with a [Tick] no earlier than Deadline and soon after it.
//
// A machine owes its owner: exactly one [Reply] for every [Inbound], now or
// later; exactly one [Done] for every [Start], also when it is cancelled or
// when the machine leaves; and effects that depend on nothing but the seed of
// its configuration and the events so far, never on map order. The owner owes
// the machine exactly one [Answer] for every [Send] that is not OneWay, and
// none for one that is. An Answer or Cancel with an unknown number is ignored.
type Machine interface {
	Step(now time.Time, ev Event) []Effect
	// Deadline is when the next Tick is due; the zero time means never.
	Deadline() time.Time
}

// Message is a protocol message as a machine sees it: a value of its own
// package's types, immutable once sent. Only the Driver turns it into bytes.
type Message any

// Codec turns a machine's messages into the bytes of its wire format and back.
// Decode is strict: it bounds every count and length and refuses what the wire
// format does not allow. It may keep no reference to b.
type Codec interface {
	Encode(m Message) ([]byte, error)
	Decode(b []byte) (Message, error)
}

type (
	// OpID names a running operation of the local user; the owner chooses it and
	// does not use it twice.
	OpID uint64
	// ReqID names a request. Inbound ones are numbered by the owner, outbound
	// ones (Send, Answer) by the machine: two separate series.
	ReqID uint64
)

// Event is what happens to a machine.
type Event interface{ isEvent() }

type (
	// Start begins an operation for the local user. It ends with one Done.
	Start struct {
		Op    OpID
		Query Query
	}
	// Cancel ends an operation early: its Done carries ErrCanceled.
	Cancel struct{ Op OpID }

	// Inbound is a request from another node. From is authenticated by the
	// transport and never nil; its Addrs are what the transport knows of it and may
	// be empty. The machine may keep From, as it is.
	Inbound struct {
		Req  ReqID
		From *Contact
		// Remote is the address the request came from, nil if unknown. It says
		// which addresses the asker can use.
		Remote ma.Multiaddr
		// Server says that From answers this protocol itself, so that it may be
		// considered for a routing table.
		Server bool
		Msg    Message
	}
	// Answer is the end of a Send: the answer, or why there is none.
	Answer struct {
		Req ReqID
		Msg Message
		Err error
	}

	// Tick says that the machine's deadline has come.
	Tick struct{}
	// Join gives the machine nodes through which it may enter the overlay. It can
	// be given again at any time; more seeds never hurt.
	Join struct{ Seeds []Contact }
	// Leave asks the machine to say good-bye: what it has to hand over it sends
	// now, every running operation is Done with ErrClosed.
	Leave struct{}
	// Seen says that the transport has a connection to a peer that answers this
	// protocol, Gone that a peer stopped answering it.
	Seen struct{ Contact Contact }
	// Gone says that Peer no longer answers this protocol (not that a connection
	// closed: peers come back).
	Gone struct{ Peer peer.ID }
	// SelfChanged replaces what the machine says about its own node: the
	// addresses at which others may reach it, and whether it answers requests
	// (server) or only asks (client).
	SelfChanged struct {
		Addrs  []ma.Multiaddr
		Server bool
	}
)

func (Start) isEvent()       {}
func (Cancel) isEvent()      {}
func (Inbound) isEvent()     {}
func (Answer) isEvent()      {}
func (Tick) isEvent()        {}
func (Join) isEvent()        {}
func (Leave) isEvent()       {}
func (Seen) isEvent()        {}
func (Gone) isEvent()        {}
func (SelfChanged) isEvent() {}

// Query is what a [Start] asks for.
type Query interface{ isQuery() }

type (
	// FindClosest looks up the N responsible nodes of Key, nearest first; N = 0
	// means the overlay's own number of copies. This node itself is among them if
	// it is a server and near enough. Done carries Result.Path; with nobody else
	// known it ends with ErrNoPeers.
	FindClosest struct {
		Key Key
		N   int
	}
	// Provide tells the responsible nodes that this node has the content, and
	// keeps telling them until StopProviding. Done carries Result.Path and Stored.
	Provide struct{ Key Key }
	// StopProviding ends the republication of Key.
	StopProviding struct{ Key Key }
	// FindProviders streams Found effects for the nodes that have the content,
	// each once; Limit > 0 ends it after so many.
	FindProviders struct {
		Key   Key
		Limit int
	}
	// PutValue stores a small record at the responsible nodes of Key.
	PutValue struct {
		Key   Key
		Value []byte
	}
	// GetValue finds the best record of Key. Done carries Result.Value.
	GetValue struct{ Key Key }
)

func (FindClosest) isQuery()   {}
func (Provide) isQuery()       {}
func (StopProviding) isQuery() {}
func (FindProviders) isQuery() {}
func (PutValue) isQuery()      {}
func (GetValue) isQuery()      {}

// Effect is what a machine wants done.
type Effect interface{ isEffect() }

type (
	// Send asks a node. The owner delivers one Answer, with an error after
	// Timeout at the latest. A OneWay message is sent without waiting for, or
	// being told of, anything. To is the machine's own: it is not to be written to.
	Send struct {
		Req     ReqID
		To      *Contact
		Msg     Message
		Timeout time.Duration
		OneWay  bool
	}
	// Reply answers an Inbound. A nil Msg with a nil Err means that the protocol
	// has no answer to this message; an Err refuses the request, and the asker
	// learns no more than that it was refused.
	Reply struct {
		Req ReqID
		Msg Message
		Err error
	}
	// Found is one provider for a running FindProviders.
	Found struct {
		Op       OpID
		Provider Contact
	}
	// Done ends an operation.
	Done struct {
		Op     OpID
		Result Result
		Err    error
	}
	// Changed says that the set of keys this node is responsible for, or the
	// nodes that share them, may have changed.
	Changed struct{}
)

func (Send) isEffect()    {}
func (Reply) isEffect()   {}
func (Found) isEffect()   {}
func (Done) isEffect()    {}
func (Changed) isEffect() {}

// Result is what an operation comes to.
type Result struct {
	Path  Path
	Value []byte // GetValue: the record; not to be written to
	// Stored counts the nodes that took the record of a Provide or PutValue, as
	// far as the protocol lets a node know: acknowledged or sent without error.
	Stored int
}
