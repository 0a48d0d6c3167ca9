package chord

import (
	"encoding/binary"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"ringswap/overlay"
)

// Further bounds of the wire format. What exceeds any of them makes the whole
// message malformed.
const (
	// MaxMessage is the longest message that is sent or accepted, in bytes.
	MaxMessage = 512 << 10
	// MaxValue is the longest value of a record, in bytes.
	MaxValue = 64 << 10
	// MaxRecords is the most records of either kind in one message.
	MaxRecords = 256
	// MaxAddr is the longest address and MaxContact the most that the peer ID and
	// the addresses of one contact may take, both in bytes.
	MaxAddr    = 512
	MaxContact = 2 << 10
	// MaxAge is the greatest age of a record.
	MaxAge = 366 * 24 * time.Hour
	// MaxTook is the longest round trip in a trace.
	MaxTook = time.Minute

	maxPeerID = 128
	maxCount  = 1 << 16 // of anything that is only counted
	// maxRecords is the most records that one node says to have.
	maxRecords = 1 << 30
)

// Field numbers of a message.
const (
	fieldType        = 1
	fieldKey         = 2
	fieldN           = 3
	fieldOwner       = 4
	fieldVersion     = 5
	fieldPredecessor = 6
	fieldNodes       = 7 // owners, successors, providers
	fieldCloser      = 8
	fieldQuery       = 9
	fieldContact     = 10 // asker, provider
	fieldHopsLeft    = 11
	fieldTrace       = 12
	fieldProviders   = 13
	fieldValues      = 14
	fieldTaken       = 15
	fieldPoint       = 16
	fieldChanged     = 17
	fieldAfter       = 18
	fieldUpto        = 19
	fieldDigest      = 20
	fieldCount       = 21
	fieldSame        = 22
	fieldHave        = 23
	fieldEnd         = 24
)

// Field numbers of what is in a message: of a contact, a hop, and the records.
const (
	fieldPeerID = 1
	fieldAddr   = 2

	fieldHopNode   = 1
	fieldHopTook   = 2
	fieldHopSilent = 3

	fieldRecordKey   = 1
	fieldRecordValue = 2 // of a provider record: the provider
	fieldRecordAge   = 3
)

// Codec is the wire format of /NAME/chord/1.0.0 without the length before each
// message, which is the transport's. It implements [overlay.Codec] and is its
// zero value. docs/wire.md describes it.
type Codec struct{}

var _ overlay.Codec = Codec{}

// Encode writes one of this package's messages. Of a contact's addresses it
// leaves out those that exceed the bounds, and of known providers the last; it
// fails if the message is too long even so.
func (Codec) Encode(m overlay.Message) ([]byte, error) {
	msg, ok := m.(Message)
	if !ok {
		return nil, fmt.Errorf("chord: cannot encode a %T", m)
	}
	w := writer{}
	w.number(fieldType, uint64(msg.Type()))
	if !w.request(msg) && !w.answer(msg) {
		return nil, fmt.Errorf("chord: cannot encode a %T", m)
	}
	if len(w.b) > MaxMessage {
		return nil, fmt.Errorf("chord: a %s of %d bytes is too long to send", msg.Type(), len(w.b))
	}
	return w.b, nil
}

// request writes the fields of a request; false if msg is none.
func (w *writer) request(msg Message) bool {
	switch m := msg.(type) {
	case *PingRequest:
		w.flag(fieldChanged, m.Changed)
	case *NotifyRequest:
	case *FindRequest:
		w.bytes(fieldKey, m.Key)
		w.number(fieldN, uint64(m.N))
		w.flag(fieldOwner, m.Owner)
		w.flag(fieldPoint, m.Point)
	case *NeighboursRequest:
		w.number(fieldVersion, m.Known)
	case *LeaveRequest:
		w.contact(fieldPredecessor, m.Predecessor)
		w.contacts(fieldNodes, m.Successors)
	case *ForwardRequest:
		w.bytes(fieldKey, m.Key)
		w.number(fieldN, uint64(m.N))
		w.flag(fieldOwner, m.Owner)
		w.number(fieldQuery, m.Query)
		w.contact(fieldContact, m.Asker)
		w.number(fieldHopsLeft, uint64(m.HopsLeft))
		w.trace(m.Trace)
	case *ResultRequest:
		w.contacts(fieldNodes, m.Owners)
		w.number(fieldQuery, m.Query)
		w.trace(m.Trace)
	case *AddProviderRequest:
		w.bytes(fieldKey, m.Key)
		w.contact(fieldContact, m.Provider)
	case *GetProvidersRequest:
		w.bytes(fieldKey, m.Key)
	case *PutValueRequest:
		w.value(m.Value)
	case *GetValueRequest:
		w.bytes(fieldKey, m.Key)
	case *HandOverRequest:
		w.records(m.Providers)
		for i := range m.Values {
			w.value(&m.Values[i])
		}
	case *SyncRequest:
		w.part(fieldAfter, m.After[:])
		w.part(fieldUpto, m.Upto[:])
		w.number(fieldDigest, m.Digest)
		w.number(fieldCount, uint64(m.Count))
	default:
		return false
	}
	return true
}

// answer writes the fields of an answer; false if msg is none.
func (w *writer) answer(msg Message) bool {
	switch m := msg.(type) {
	case *PingAnswer, *NotifyAnswer, *LeaveAnswer, *ForwardAnswer, *ResultAnswer, *AddProviderAnswer, *PutValueAnswer:
	case *FindAnswer:
		w.contacts(fieldNodes, m.Owners)
		w.contacts(fieldCloser, m.Closer)
		w.flag(fieldOwner, m.Owner)
	case *NeighboursAnswer:
		w.number(fieldVersion, m.Version)
		w.contact(fieldPredecessor, m.Predecessor)
		w.contacts(fieldNodes, m.Successors)
	case *GetProvidersAnswer:
		w.contacts(fieldNodes, m.Providers[:min(len(m.Providers), MaxContacts)])
	case *GetValueAnswer:
		w.value(m.Value)
	case *HandOverAnswer:
		w.number(fieldTaken, uint64(m.Taken))
	case *SyncAnswer:
		w.flag(fieldSame, m.Same)
		have := make([]byte, 0, 8*len(m.Have))
		for _, f := range m.Have[:min(len(m.Have), MaxHave)] {
			have = binary.BigEndian.AppendUint64(have, f)
		}
		w.bytes(fieldHave, have)
	default:
		return false
	}
	return true
}

// writer appends protobuf fields; as usual in proto3, what is zero is left out.
type writer struct{ b []byte }

func (w *writer) number(field protowire.Number, v uint64) {
	if v != 0 {
		w.b = protowire.AppendTag(w.b, field, protowire.VarintType)
		w.b = protowire.AppendVarint(w.b, v)
	}
}

func (w *writer) flag(field protowire.Number, v bool) {
	if v {
		w.number(field, 1)
	}
}

func (w *writer) bytes(field protowire.Number, v []byte) {
	if len(v) > 0 {
		w.part(field, v)
	}
}

// part writes v even if it is empty.
func (w *writer) part(field protowire.Number, v []byte) {
	w.b = protowire.AppendTag(w.b, field, protowire.BytesType)
	w.b = protowire.AppendBytes(w.b, v)
}

// contact writes c unless it is nil. Addresses that do not fit are left out.
func (w *writer) contact(field protowire.Number, c *overlay.Contact) {
	if c == nil {
		return
	}
	var in writer
	in.part(fieldPeerID, []byte(c.Peer))
	size, count := len(c.Peer), 0
	for _, a := range c.Addrs {
		raw := a.Bytes()
		if len(raw) == 0 || len(raw) > MaxAddr || size+len(raw) > MaxContact || count == overlay.MaxAddrs {
			continue
		}
		size += len(raw)
		count++
		in.part(fieldAddr, raw)
	}
	w.part(field, in.b)
}

func (w *writer) contacts(field protowire.Number, list []*overlay.Contact) {
	for _, c := range list {
		w.contact(field, c)
	}
}

func (w *writer) trace(hops []Hop) {
	for i := range hops {
		var in writer
		in.contact(fieldHopNode, hops[i].Node)
		in.number(fieldHopTook, uint64(min(max(hops[i].Took, 0), MaxTook)/time.Microsecond))
		in.number(fieldHopSilent, uint64(min(max(hops[i].Silent, 0), maxCount)))
		w.part(fieldTrace, in.b)
	}
}

func (w *writer) records(list []ProviderRecord) {
	for i := range list {
		var in writer
		in.part(fieldRecordKey, list[i].Key[:])
		in.contact(fieldRecordValue, list[i].Provider)
		in.number(fieldRecordAge, seconds(list[i].Age))
		w.part(fieldProviders, in.b)
	}
}

func (w *writer) value(v *ValueRecord) {
	if v == nil {
		return
	}
	var in writer
	in.bytes(fieldRecordKey, v.Key)
	in.bytes(fieldRecordValue, v.Value)
	in.number(fieldRecordAge, seconds(v.Age))
	w.part(fieldValues, in.b)
}

// seconds are the whole seconds of an age, rounded up: a record that is passed
// on and on must not grow younger.
func seconds(age time.Duration) uint64 {
	age = min(max(age, 0), MaxAge)
	return uint64((age + time.Second - 1) / time.Second)
}
