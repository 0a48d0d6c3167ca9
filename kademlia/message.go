package kademlia

import (
	"fmt"

	"ringswap/overlay"
)

// MessageType is what a message asks for. Answers carry the type of their
// request.
type MessageType uint8

// The message types, with their numbers on the wire.
const (
	PutValue     MessageType = 0 // keep Record
	GetValue     MessageType = 1 // Record of Key, and the closest nodes
	AddProvider  MessageType = 2 // the sender has the content of Key; no answer
	GetProviders MessageType = 3 // Providers of Key, and the closest nodes
	FindNode     MessageType = 4 // the closest nodes to Key
	Ping         MessageType = 5 // deprecated; answered, never sent
)

var typeNames = [...]string{"PUT_VALUE", "GET_VALUE", "ADD_PROVIDER", "GET_PROVIDERS", "FIND_NODE", "PING"}

// String is the type's name in the public specification.
func (t MessageType) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("MessageType(%d)", uint8(t))
}

// Message is a request or an answer. It is immutable once sent, and so is all
// that it points to: machines in one process share contacts by pointer. Every
// contact's ID is the hash of its peer ID; [Codec] sees to that, and no ID ever
// travels.
type Message struct {
	Type MessageType
	// Key is the pre-image of the key. FIND_NODE answers leave it empty.
	Key       []byte
	Record    *Record
	Closer    []*overlay.Contact
	Providers []*overlay.Contact
}

// Record is a value as it travels.
type Record struct {
	Key   []byte
	Value []byte
	// TimeReceived is when the sender got the record (RFC 3339), or empty.
	TimeReceived string
}
