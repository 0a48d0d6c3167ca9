package kademlia

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"ringswap/overlay"
)

// Bounds of the wire format. What a count allows too much of is dropped from
// the end, because other implementations send more in good faith; what is too
// long, or is no protobuf, makes the whole message malformed.
const (
	// MaxMessage is the longest message that is sent or accepted, in bytes.
	MaxMessage = 512 << 10
	// MaxKey is the longest key of any message, in bytes.
	MaxKey = 1 << 10
	// MaxProviderKey is the longest key that a provider record can have, in
	// bytes: a multihash is no longer.
	MaxProviderKey = 80
	// MaxValue is the longest value of a record, in bytes.
	MaxValue = 64 << 10
	// MaxCloser and MaxProviders are the most contacts that are read from the two
	// lists of a message.
	MaxCloser    = 64
	MaxProviders = 256
	// MaxAddrs is the most addresses that are read or sent for one contact,
	// MaxAddr the longest of them, and MaxContact the most that one contact may
	// take on the wire, both in bytes.
	MaxAddrs   = overlay.MaxAddrs
	MaxAddr    = 512
	MaxContact = 8 << 10

	maxPeerID = 128
	maxTime   = 64
)

// Field numbers of the public protocol's Message, Message.Peer and Record.
const (
	fieldType      = 1
	fieldKey       = 2
	fieldRecord    = 3
	fieldCloser    = 8
	fieldProviders = 9
	fieldLevel     = 10

	fieldPeerID   = 1
	fieldPeerAddr = 2

	fieldRecordKey   = 1
	fieldRecordValue = 2
	fieldRecordTime  = 5
)

// Codec is the wire format of /ipfs/kad/1.0.0 without the length before each
// message, which is the transport's. It implements [overlay.Codec] and is its
// zero value.
type Codec struct{}

var _ overlay.Codec = Codec{}

// Encode writes a *Message. It drops providers that would make the message
// longer than MaxMessage, and fails if it is too long without them.
func (Codec) Encode(m overlay.Message) ([]byte, error) {
	msg, ok := m.(*Message)
	if !ok {
		return nil, fmt.Errorf("kademlia: cannot encode a %T", m)
	}
	b := make([]byte, 0, 64+len(msg.Key)+100*len(msg.Closer)+100*len(msg.Providers))
	if msg.Type != PutValue { // proto3: a zero is left out
		b = protowire.AppendTag(b, fieldType, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(msg.Type))
	}
	if len(msg.Key) > 0 {
		b = appendBytes(b, fieldKey, msg.Key)
	}
	if msg.Record != nil {
		b = appendBytes(b, fieldRecord, msg.Record.append(nil))
	}
	for _, c := range msg.Closer {
		b = appendBytes(b, fieldCloser, appendContact(nil, c))
	}
	const levelBytes = 2
	for _, c := range msg.Providers {
		next := appendBytes(b, fieldProviders, appendContact(nil, c))
		if len(next)+levelBytes > MaxMessage {
			break
		}
		b = next
	}
	// The cluster level is a relic that everyone sets to its first level.
	b = protowire.AppendTag(b, fieldLevel, protowire.VarintType)
	b = protowire.AppendVarint(b, 1)
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("kademlia: a %s of %d bytes is too long to send", msg.Type, len(b))
	}
	return b, nil
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendBytes(b, v)
}

// appendContact writes a Message.Peer. Addresses that do not fit the bounds are
// left out.
func appendContact(b []byte, c *overlay.Contact) []byte {
	b = appendBytes(b, fieldPeerID, []byte(c.Peer))
	for i, a := range c.Addrs {
		raw := a.Bytes()
		if len(raw) > MaxAddr || len(raw) == 0 {
			continue
		}
		if i >= MaxAddrs || len(b)+len(raw)+4 > MaxContact {
			break
		}
		b = appendBytes(b, fieldPeerAddr, raw)
	}
	return b
}

func (r *Record) append(b []byte) []byte {
	if len(r.Key) > 0 {
		b = appendBytes(b, fieldRecordKey, r.Key)
	}
	if len(r.Value) > 0 {
		b = appendBytes(b, fieldRecordValue, r.Value)
	}
	if r.TimeReceived != "" {
		b = appendBytes(b, fieldRecordTime, []byte(r.TimeReceived))
	}
	return b
}
