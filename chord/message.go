package chord

import (
	"fmt"
	"time"

	"ringswap/overlay"
)

// Bounds of messages. The wire format refuses what exceeds them.
const (
	// MaxKey is the longest pre-image of a key, in bytes.
	MaxKey = 1 << 10
	// MaxContacts is the most contacts in one list of a message.
	MaxContacts = 64
	// MaxTrace is the most hops in the trace of a recursive lookup.
	MaxTrace = 64
	// MaxHave is the most records that the answer to a SyncRequest names.
	MaxHave = 4096
)

// MessageType says what a message is. The type of an answer is that of its
// request with the highest bit set.
type MessageType uint8

// The types of requests, with their numbers on the wire.
const (
	TypePing         MessageType = 1
	TypeFind         MessageType = 2
	TypeNeighbours   MessageType = 3
	TypeNotify       MessageType = 4
	TypeLeave        MessageType = 5
	TypeForward      MessageType = 6
	TypeResult       MessageType = 7
	TypeAddProvider  MessageType = 8
	TypeGetProviders MessageType = 9
	TypePutValue     MessageType = 10
	TypeGetValue     MessageType = 11
	TypeHandOver     MessageType = 12
	TypeSync         MessageType = 13

	// TypeAnswer is the bit that tells answers from requests.
	TypeAnswer MessageType = 0x80
)

var typeNames = [...]string{
	"?", "PING", "FIND", "NEIGHBOURS", "NOTIFY", "LEAVE", "FORWARD", "RESULT",
	"ADD_PROVIDER", "GET_PROVIDERS", "PUT_VALUE", "GET_VALUE", "HAND_OVER", "SYNC",
}

// String is the type's name in the description of the wire format.
func (t MessageType) String() string {
	name, suffix := fmt.Sprintf("MessageType(%d)", uint8(t&^TypeAnswer)), ""
	if i := int(t &^ TypeAnswer); i > 0 && i < len(typeNames) {
		name = typeNames[i]
	}
	if t&TypeAnswer != 0 {
		suffix = " answer"
	}
	return name + suffix
}

// Message is a request or an answer: a pointer to one of the types below. It is
// immutable once sent, and so is all that it points to: machines in one process
// share contacts by pointer. A contact's ID never travels; whoever reads a
// contact computes it from the peer ID.
//
// Every request has an answer of its own type; a request that is not granted is
// refused by the transport without one.
type Message interface{ Type() MessageType }

type (
	// PingRequest asks for a sign of life.
	PingRequest struct {
		// Changed says that the sender has news for the node before it, which may
		// want to read its neighbours: another successor list, another predecessor,
		// or that it stands there at all.
		Changed bool
	}
	// PingAnswer is one.
	PingAnswer struct{}

	// FindRequest is one step of an iterative lookup.
	FindRequest struct {
		// Key is the pre-image of the key.
		Key []byte
		// Point says that Key is a place of the ring itself, an overlay.ID of 32
		// bytes, for which no pre-image is known: where a finger should be.
		Point bool
		// N is the number of responsible nodes that the asker wants; 1 to MaxContacts.
		N int
		// Owner says that the asker takes the receiver for the key's successor. It
		// then names the nodes from the key on that it knows, itself among them.
		Owner bool
	}
	// FindAnswer names the nodes responsible for the key, if the answerer is one
	// of them or its successor list covers the key, and nodes before the key.
	FindAnswer struct {
		// Owners are the key's successor and the next nodes, as far as the answerer
		// knows, in ring order; empty if it is not one to know.
		Owners []*overlay.Contact
		// Closer are nodes between the answerer and the key, the nearest to the key
		// first; and then the first that it knows from the key on, if it thinks that
		// this may be the key's successor.
		Closer []*overlay.Contact
		// Owner says that the answerer, taken for the key's successor, is: its
		// predecessor stands before the key.
		Owner bool
	}

	// NeighboursRequest asks for a node's neighbours in the ring.
	NeighboursRequest struct {
		// Known is the Version of the last answer that the asker had from this
		// node; 0 if there was none.
		Known uint64
	}
	// NeighboursAnswer is what a node knows of the ring around it.
	NeighboursAnswer struct {
		// Predecessor is nil if there is none.
		Predecessor *overlay.Contact
		// Successors is the successor list, the nearest first: without the
		// answerer itself, strictly in ring order, and empty from a node that is
		// alone or has not joined.
		Successors []*overlay.Contact
		// Version names this successor list; never 0. If it is what the asker knew,
		// Successors is left empty.
		Version uint64
	}

	// NotifyRequest says that the sender, and nobody else, believes to be the
	// receiver's predecessor.
	NotifyRequest struct{}
	// NotifyAnswer acknowledges it, whether it was believed or not.
	NotifyAnswer struct{}

	// LeaveRequest says that the sender leaves the ring now. The neighbours it
	// names are hints of whom to ask next.
	LeaveRequest struct {
		Predecessor *overlay.Contact
		Successors  []*overlay.Contact
	}
	// LeaveAnswer acknowledges it.
	LeaveAnswer struct{}

	// ForwardRequest passes a recursive lookup on. The answer comes at once and
	// says only that the receiver goes on with it.
	ForwardRequest struct {
		// Key is the pre-image of the key, N the number of responsible nodes wanted:
		// at most MaxForwardN.
		Key []byte
		N   int
		// Query is the asker's own name for the lookup, a secret of those on the
		// way; never 0.
		Query uint64
		// Asker is who the result goes to. On the first hop it is the sender.
		Asker *overlay.Contact
		// Owner says that the sender takes the receiver for the key's successor.
		Owner bool
		// HopsLeft is how many more nodes may pass the lookup on.
		HopsLeft int
		// Trace are the nodes that passed it on, the first hop first; the asker is
		// not among them.
		Trace []Hop
	}
	// ForwardAnswer acknowledges a ForwardRequest.
	ForwardAnswer struct{}

	// ResultRequest is the result of a recursive lookup, from the key's successor
	// to the asker.
	ResultRequest struct {
		Query uint64
		// Owners are the key's successor and the next nodes. Empty: the lookup could
		// not be passed on from the sender.
		Owners []*overlay.Contact
		Trace  []Hop
	}
	// ResultAnswer acknowledges it.
	ResultAnswer struct{}

	// AddProviderRequest asks to keep a record that the sender has the content of
	// Key. Provider is the sender as others may reach it.
	AddProviderRequest struct {
		Key      []byte
		Provider *overlay.Contact
	}
	// AddProviderAnswer says that the record is kept.
	AddProviderAnswer struct{}

	// GetProvidersRequest asks who has the content of Key.
	GetProvidersRequest struct{ Key []byte }
	// GetProvidersAnswer names those that are known.
	GetProvidersAnswer struct{ Providers []*overlay.Contact }

	// PutValueRequest asks to keep a value.
	PutValueRequest struct{ Value *ValueRecord }
	// PutValueAnswer says that it is kept, or that a better one is.
	PutValueAnswer struct{}

	// GetValueRequest asks for the value of Key.
	GetValueRequest struct{ Key []byte }
	// GetValueAnswer is the value; nil if there is none.
	GetValueAnswer struct{ Value *ValueRecord }

	// HandOverRequest gives records to a node that is to keep them from now on: by
	// one that leaves, or whose range became smaller.
	HandOverRequest struct {
		Providers []ProviderRecord
		Values    []ValueRecord
	}
	// HandOverAnswer says how many were taken.
	HandOverAnswer struct{ Taken int }

	// SyncRequest asks whether the receiver has the records that the sender has
	// of the keys after After and up to Upto.
	SyncRequest struct {
		After, Upto overlay.ID
		// Digest is the sum of the fingerprints of the sender's records there, Count
		// their number.
		Digest uint64
		Count  int
	}
	// SyncAnswer says what it has.
	SyncAnswer struct {
		// Same says that count and sum are the receiver's too.
		Same bool
		// Have are the fingerprints of its records there if they are not.
		Have []uint64
	}

	// Unknown stands for a message of a type that this version does not know, so
	// that the machine can count and refuse it. It is never sent.
	Unknown struct{ Number MessageType }
)

// Hop is one node on the way of a recursive lookup.
type Hop struct {
	Node *overlay.Contact
	// Took is the round trip from Node to the next node on the way, as Node knew
	// it; 0 if it did not.
	Took time.Duration
	// Silent is the number of nodes that Node tried before that one in vain.
	Silent int
}

// ProviderRecord says that Provider had the content of Key.
type ProviderRecord struct {
	// Key is the place of the key: holders need not know what is provided.
	Key      overlay.ID
	Provider *overlay.Contact
	// Age is the time since the provider last said so, as far as the sender knows.
	Age time.Duration
}

// ValueRecord is a value as it travels.
type ValueRecord struct {
	// Key is the pre-image.
	Key, Value []byte
	// Age is the time since its publication, as far as the sender knows.
	Age time.Duration
}

// Type implements [Message].
func (*PingRequest) Type() MessageType { return TypePing }

// Type implements [Message].
func (*PingAnswer) Type() MessageType { return TypePing | TypeAnswer }

// Type implements [Message].
func (*FindRequest) Type() MessageType { return TypeFind }

// Type implements [Message].
func (*FindAnswer) Type() MessageType { return TypeFind | TypeAnswer }

// Type implements [Message].
func (*NeighboursRequest) Type() MessageType { return TypeNeighbours }

// Type implements [Message].
func (*NeighboursAnswer) Type() MessageType { return TypeNeighbours | TypeAnswer }

// Type implements [Message].
func (*NotifyRequest) Type() MessageType { return TypeNotify }

// Type implements [Message].
func (*NotifyAnswer) Type() MessageType { return TypeNotify | TypeAnswer }

// Type implements [Message].
func (*LeaveRequest) Type() MessageType { return TypeLeave }

// Type implements [Message].
func (*LeaveAnswer) Type() MessageType { return TypeLeave | TypeAnswer }

// Type implements [Message].
func (*ForwardRequest) Type() MessageType { return TypeForward }

// Type implements [Message].
func (*ForwardAnswer) Type() MessageType { return TypeForward | TypeAnswer }

// Type implements [Message].
func (*ResultRequest) Type() MessageType { return TypeResult }

// Type implements [Message].
func (*ResultAnswer) Type() MessageType { return TypeResult | TypeAnswer }

// Type implements [Message].
func (*AddProviderRequest) Type() MessageType { return TypeAddProvider }

// Type implements [Message].
func (*AddProviderAnswer) Type() MessageType { return TypeAddProvider | TypeAnswer }

// Type implements [Message].
func (*GetProvidersRequest) Type() MessageType { return TypeGetProviders }

// Type implements [Message].
func (*GetProvidersAnswer) Type() MessageType { return TypeGetProviders | TypeAnswer }

// Type implements [Message].
func (*PutValueRequest) Type() MessageType { return TypePutValue }

// Type implements [Message].
func (*PutValueAnswer) Type() MessageType { return TypePutValue | TypeAnswer }

// Type implements [Message].
func (*GetValueRequest) Type() MessageType { return TypeGetValue }

// Type implements [Message].
func (*GetValueAnswer) Type() MessageType { return TypeGetValue | TypeAnswer }

// Type implements [Message].
func (*HandOverRequest) Type() MessageType { return TypeHandOver }

// Type implements [Message].
func (*HandOverAnswer) Type() MessageType { return TypeHandOver | TypeAnswer }

// Type implements [Message].
func (*SyncRequest) Type() MessageType { return TypeSync }

// Type implements [Message].
func (*SyncAnswer) Type() MessageType { return TypeSync | TypeAnswer }

// Type implements [Message].
func (u *Unknown) Type() MessageType { return u.Number }
