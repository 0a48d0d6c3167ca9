package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Keys of the index. The first byte says what kind of entry it is.
const (
	keyBlock = 'b' // + multihash + file id (8 bytes, big-endian; 0: owned): a location
	keyFile  = 'f' // + file id: a fileBody
	keyName  = 'n' // + path: the id of the file that is registered under it
	keyRoot  = 'r' // + CID bytes: a rootBody
	keyPin   = 'p' // + CID bytes: a pinBody
	keyMeta  = 'm' // the index's own state
)

const idLen = 8

// owned is the file id of a location in a pack.
const owned uint64 = 0

func blockKey(b []byte, hash string, file uint64) []byte {
	b = append(append(b, keyBlock), hash...)
	return binary.BigEndian.AppendUint64(b, file)
}

func fileKey(id uint64) string {
	return string(binary.BigEndian.AppendUint64([]byte{keyFile}, id))
}

func nameKey(path string) string { return string(keyName) + path }

// splitBlockKey takes a location's key apart; ok is false if it is none.
func splitBlockKey(key string) (hash string, file uint64, ok bool) {
	n := len(key) - idLen
	if n < 2 || key[0] != keyBlock || !usableHash(key[1:n]) {
		return "", 0, false
	}
	return key[1:n], binary.BigEndian.Uint64([]byte(key[n:])), true
}

// droppable reports whether a drop record may name the key.
func droppable(key string) bool {
	if key == "" {
		return false
	}
	switch key[0] {
	case keyBlock:
		_, _, ok := splitBlockKey(key)
		return ok
	case keyFile:
		return len(key) == 1+idLen
	case keyRoot, keyPin:
		return len(key) > 1
	}
	return false
}

// errValue is returned for an index value that is not what it should be.
var errValue = errors.New("malformed index entry")

// Every value but the index's own state begins with the place in the log of
// the record that made it, and the epoch in which it was last asked for.
func stamp(pos logPos, epoch uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(pos))
	return binary.AppendUvarint(b, epoch)
}

func parseStamp(b []byte) (pos logPos, epoch uint64, rest []byte, err error) {
	if len(b) < 8 {
		return 0, 0, nil, errValue
	}
	pos = logPos(binary.BigEndian.Uint64(b))
	epoch, n := binary.Uvarint(b[8:])
	if n <= 0 {
		return 0, 0, nil, errValue
	}
	return pos, epoch, b[8+n:], nil
}

// place is one location of a block.
type place struct {
	file   uint64 // the referenced file; owned (0): the pack of pos
	pos    logPos // of the record that says so
	epoch  uint64
	offset int64 // in the file; of an owned block in its pack
	length int
}

func (p place) value() []byte {
	b := stamp(p.pos, p.epoch)
	b = binary.AppendUvarint(b, uint64(p.offset))
	return binary.AppendUvarint(b, uint64(p.length))
}

func parsePlace(file uint64, v []byte) (place, error) {
	p := place{file: file}
	var rest []byte
	var err error
	if p.pos, p.epoch, rest, err = parseStamp(v); err != nil {
		return place{}, err
	}
	off, n := binary.Uvarint(rest)
	if n <= 0 || off > 1<<62 {
		return place{}, errValue
	}
	length, m := binary.Uvarint(rest[n:])
	if m <= 0 || n+m != len(rest) || length > MaxBlockBytes {
		return place{}, errValue
	}
	p.offset, p.length = int64(off), int(length)
	return p, nil
}

// indexVersion is the version of keys and values; another one means rebuilding.
const indexVersion = 1

// meta is the index's own state, as of the log position applied.
type meta struct {
	applied  logPos // everything before it is in the index
	epoch    uint64
	nextFile uint64
	owned    int64 // bytes of owned blocks
	packs    []uint32
	emptying []uint32 // packs whose removal has begun
}

func (m meta) value() []byte {
	b := putVarint(nil, 1, indexVersion)
	b = putVarint(b, 2, uint64(m.applied))
	b = putVarint(b, 3, m.epoch)
	b = putVarint(b, 4, m.nextFile)
	b = putVarint(b, 5, uint64(m.owned))
	for _, p := range m.packs {
		b = putVarint(b, 6, uint64(p))
	}
	for _, p := range m.emptying {
		b = putVarint(b, 7, uint64(p))
	}
	return b
}

func parseMeta(b []byte) (m meta, err error) {
	var version uint64
	err = eachField(b, func(x field) error {
		switch x.num {
		case 1:
			version = x.v
		case 2:
			m.applied = logPos(x.v)
		case 3:
			m.epoch = x.v
		case 4:
			m.nextFile = x.v
		case 5:
			m.owned = int64(x.v)
		case 6:
			m.packs = append(m.packs, uint32(x.v))
		case 7:
			m.emptying = append(m.emptying, uint32(x.v))
		}
		return nil
	})
	if err == nil && version != indexVersion {
		err = fmt.Errorf("%w: version %d, not %d", errValue, version, indexVersion)
	}
	return m, err
}
