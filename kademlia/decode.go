package kademlia

import (
	"fmt"
	"unicode/utf8"

	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// Decode reads a *Message. Errors wrap [overlay.ErrBadMessage]. Fields that it
// does not know are skipped, contacts without a valid peer ID and addresses that
// are no multiaddrs are left out, as the public protocol's servers do.
func (Codec) Decode(b []byte) (overlay.Message, error) {
	if len(b) > MaxMessage {
		return nil, bad("%d bytes", len(b))
	}
	msg := new(Message)
	err := fields(b, func(num protowire.Number, v value) error {
		switch {
		case num == fieldType && v.isVarint:
			if v.varint > uint64(Ping) {
				return bad("type %d", v.varint)
			}
			msg.Type = MessageType(v.varint)
		case num == fieldKey && v.isBytes:
			if len(v.bytes) > MaxKey {
				return bad("a key of %d bytes", len(v.bytes))
			}
			msg.Key = clone(v.bytes)
		case num == fieldRecord && v.isBytes:
			r, err := decodeRecord(v.bytes)
			if err != nil {
				return err
			}
			msg.Record = r
		case num == fieldCloser && v.isBytes:
			return addContact(&msg.Closer, v.bytes, MaxCloser)
		case num == fieldProviders && v.isBytes:
			return addContact(&msg.Providers, v.bytes, MaxProviders)
		case num <= fieldRecord || num == fieldCloser || num == fieldProviders:
			return bad("field %d has the wrong type", num)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return msg, nil
}

// addContact reads one contact into list, unless the list is full.
func addContact(list *[]*overlay.Contact, b []byte, limit int) error {
	if len(*list) >= limit {
		return nil
	}
	c, err := decodeContact(b)
	if err == nil && c != nil {
		*list = append(*list, c)
	}
	return err
}

// decodeContact returns nil for a contact that names no valid peer.
func decodeContact(b []byte) (*overlay.Contact, error) {
	var id peer.ID
	var addrs []ma.Multiaddr
	size := 0
	err := fields(b, func(num protowire.Number, v value) error {
		switch {
		case num == fieldPeerID && v.isBytes:
			if len(v.bytes) > maxPeerID {
				return bad("a peer ID of %d bytes", len(v.bytes))
			}
			id, _ = peer.IDFromBytes(v.bytes) // "" if it is none
		case num == fieldPeerAddr && v.isBytes:
			size += len(v.bytes)
			if len(addrs) >= MaxAddrs || len(v.bytes) > MaxAddr || size > MaxContact {
				return nil
			}
			if a, err := ma.NewMultiaddrBytes(v.bytes); err == nil {
				addrs = append(addrs, a)
			}
		case num <= fieldPeerAddr:
			return bad("field %d of a contact has the wrong type", num)
		}
		return nil
	})
	if err != nil || id == "" {
		return nil, err
	}
	c := overlay.NewContact(id, addrs...)
	return &c, nil
}

func decodeRecord(b []byte) (*Record, error) {
	r := new(Record)
	err := fields(b, func(num protowire.Number, v value) error {
		switch {
		case num == fieldRecordKey && v.isBytes && len(v.bytes) <= MaxKey:
			r.Key = clone(v.bytes)
		case num == fieldRecordValue && v.isBytes && len(v.bytes) <= MaxValue:
			r.Value = clone(v.bytes)
		case num == fieldRecordTime && v.isBytes && len(v.bytes) <= maxTime && utf8.Valid(v.bytes):
			r.TimeReceived = string(v.bytes)
		case num == fieldRecordKey || num == fieldRecordValue || num == fieldRecordTime:
			return bad("field %d of a record is not as it must be", num)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// value is one protobuf field: a varint, bytes, or something to skip.
type value struct {
	varint            uint64
	bytes             []byte
	isVarint, isBytes bool
}

// fields walks over a protobuf message. The bytes that f is given are part of b.
func fields(b []byte, f func(protowire.Number, value) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return bad("no protobuf tag")
		}
		b = b[n:]
		var v value
		switch typ {
		case protowire.VarintType:
			v.varint, n = protowire.ConsumeVarint(b)
			v.isVarint = true
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(b)
			v.isBytes = true
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return bad("field %d is cut short or damaged", num)
		}
		if err := f(num, v); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: kademlia: "+format, append([]any{overlay.ErrBadMessage}, args...)...)
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }
