package store

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// The payloads of journal records are protocol buffers messages; doc.go has
// their schema. They are few and flat, so they are written by hand.

// errBody is returned for a payload that is not the message it should be.
var errBody = errors.New("malformed record body")

// fileBody registers a user's file.
type fileBody struct {
	id   uint64
	file File
	born uint32 // pack of the file's first record
}

// refsBody says which blocks are in a registered file.
type refsBody struct {
	file uint64
	refs []refEntry
}

type refEntry struct {
	hash   string
	offset int64
	length int
}

// dropBody takes things away: index entries that are older than at.
type dropBody struct{ drops []dropEntry }

type dropEntry struct {
	key string // of the index entry
	// Packs from..to are those that may hold records of the dropped thing. When
	// all of them are gone, the drop has nothing left to say.
	from, to uint32
	// at is the place in the log from which on new records of the same thing are
	// not meant. Zero: the place of this record.
	at logPos
}

// markBody says that everything before durable had been synced when it was written.
type markBody struct{ durable logPos }

// packState is a step in the removal of a pack.
type packState uint8

const (
	packEmptying packState = iota + 1 // what is live in it is being copied
	packKept                          // emptying was given up
	packRetired                       // everything live is elsewhere, the file may go
)

// packBody records a step in the removal of a pack.
type packBody struct {
	pack  uint32
	state packState
}

func putVarint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func putBytes[T string | []byte](b []byte, num protowire.Number, v T) []byte {
	if len(v) == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(v)))
	return append(b, v...)
}

// field is one field of a message: num, and either the number or the bytes.
type field struct {
	num   protowire.Number
	v     uint64
	bytes []byte
}

// eachField calls f for the fields of a message. Other wire types than varint
// and bytes are refused, unknown numbers are f's business (to be ignored).
func eachField(b []byte, f func(field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errBody
		}
		b = b[n:]
		x := field{num: num}
		switch typ {
		case protowire.VarintType:
			x.v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			x.bytes, n = protowire.ConsumeBytes(b)
		default:
			return errBody
		}
		if n < 0 {
			return errBody
		}
		b = b[n:]
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

func (m fileBody) encode() []byte {
	b := putVarint(nil, 1, m.id)
	b = putBytes(b, 2, m.file.Path)
	b = putVarint(b, 3, uint64(m.file.Size))
	b = putVarint(b, 4, protowire.EncodeZigZag(m.file.ModTime))
	b = putVarint(b, 5, m.file.Inode)
	b = putVarint(b, 6, m.file.Device)
	return putVarint(b, 7, uint64(m.born))
}

func parseFileBody(b []byte) (m fileBody, err error) {
	err = eachField(b, func(x field) error {
		switch x.num {
		case 1:
			m.id = x.v
		case 2:
			m.file.Path = string(x.bytes)
		case 3:
			m.file.Size = int64(x.v)
		case 4:
			m.file.ModTime = protowire.DecodeZigZag(x.v)
		case 5:
			m.file.Inode = x.v
		case 6:
			m.file.Device = x.v
		case 7:
			m.born = uint32(x.v)
		}
		return nil
	})
	if err == nil && (m.id == 0 || m.file.Path == "" || m.file.Size < 0) {
		err = errBody
	}
	return m, err
}

func (m refsBody) encode() []byte {
	b := putVarint(nil, 1, m.file)
	var e []byte
	for _, r := range m.refs {
		e = putBytes(e[:0], 1, r.hash)
		e = putVarint(e, 2, uint64(r.offset))
		e = putVarint(e, 3, uint64(r.length))
		b = putBytes(b, 2, e)
	}
	return b
}

func parseRefsBody(b []byte) (m refsBody, err error) {
	err = eachField(b, func(x field) error {
		switch x.num {
		case 1:
			m.file = x.v
		case 2:
			r, err := parseRefEntry(x.bytes)
			if err != nil {
				return err
			}
			m.refs = append(m.refs, r)
		}
		return nil
	})
	if err == nil && m.file == 0 {
		err = errBody
	}
	return m, err
}

func parseRefEntry(b []byte) (r refEntry, err error) {
	var length uint64
	err = eachField(b, func(x field) error {
		switch x.num {
		case 1:
			r.hash = string(x.bytes)
		case 2:
			r.offset = int64(x.v)
		case 3:
			length = x.v
		}
		return nil
	})
	if err == nil && (!usableHash(r.hash) || r.offset < 0 || length > MaxBlockBytes) {
		err = errBody
	}
	r.length = int(length)
	return r, err
}

func (m dropBody) encode() (b []byte) {
	var e []byte
	for _, d := range m.drops {
		e = putBytes(e[:0], 1, d.key)
		e = putVarint(e, 2, uint64(d.from))
		e = putVarint(e, 3, uint64(d.to))
		e = putVarint(e, 4, uint64(d.at))
		b = putBytes(b, 1, e)
	}
	return b
}

func parseDropBody(b []byte) (m dropBody, err error) {
	err = eachField(b, func(x field) error {
		if x.num != 1 {
			return nil
		}
		var d dropEntry
		if err := eachField(x.bytes, func(x field) error {
			switch x.num {
			case 1:
				d.key = string(x.bytes)
			case 2:
				d.from = uint32(x.v)
			case 3:
				d.to = uint32(x.v)
			case 4:
				d.at = logPos(x.v)
			}
			return nil
		}); err != nil {
			return err
		}
		if !droppable(d.key) {
			return errBody
		}
		m.drops = append(m.drops, d)
		return nil
	})
	return m, err
}

func (m markBody) encode() []byte { return putVarint(nil, 1, uint64(m.durable)) }

func parseMarkBody(b []byte) (m markBody, err error) {
	err = eachField(b, func(x field) error {
		if x.num == 1 {
			m.durable = logPos(x.v)
		}
		return nil
	})
	return m, err
}

func (m packBody) encode() []byte {
	return putVarint(putVarint(nil, 1, uint64(m.pack)), 2, uint64(m.state))
}

func parsePackBody(b []byte) (m packBody, err error) {
	err = eachField(b, func(x field) error {
		switch x.num {
		case 1:
			m.pack = uint32(x.v)
		case 2:
			m.state = packState(min(x.v, 255))
		}
		return nil
	})
	if err == nil && (m.pack == 0 || m.state == 0 || m.state > packRetired) {
		err = fmt.Errorf("%w: pack %d, state %d", errBody, m.pack, m.state)
	}
	return m, err
}
