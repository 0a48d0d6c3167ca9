package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"ringswap/blockhash"
)

// The framing of pack files; doc.go specifies it.
const (
	packMagic    = "rspack"
	packVersion  = 1
	packHeadLen  = 64 // bytes of a pack's own header
	frameLen     = 32 // bytes of a record before its key
	maxKeyLen    = 2 + 8 + blockhash.MaxDigest
	maxRecordLen = frameLen + maxKeyLen + MaxBlockBytes
)

// recordType says what the payload of a record is.
type recordType uint8

const (
	recBlock recordType = iota + 1 // key: multihash, payload: the block
	recFile                        // payload: fileBody
	recRefs                        // payload: refsBody
	recRoot                        // payload: rootBody
	recPin                         // payload: pinBody
	recDrop                        // payload: dropBody
	recMark                        // payload: markBody
	recPack                        // payload: packBody
	recTypes                       // first unused number
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// logPos is a place in the log: the number of a pack, and an offset in it, in
// bytes. Later places are larger numbers.
type logPos uint64

func posOf(pack uint32, off int64) logPos { return logPos(pack)<<32 | logPos(uint32(off)) }

func (p logPos) pack() uint32 { return uint32(p >> 32) }
func (p logPos) off() int64   { return int64(uint32(p)) }

func (p logPos) String() string { return fmt.Sprintf("%s:%d", packName(p.pack()), p.off()) }

// marker is the random number that begins every record of a pack. Whoever
// makes a block does not know it, so that a block cannot contain what looks
// like a record when a reader searches a damaged pack for the next one.
type marker [8]byte

// frame is the head of a record.
type frame struct {
	typ     recordType
	key     []byte // points into the parsed bytes
	length  int    // of the payload, in bytes
	bodyCRC uint32
}

// size is the length of the whole record.
func (f frame) size() int64 { return int64(frameLen + len(f.key) + f.length) }

// bodyOff is where the payload begins, from the start of the record.
func (f frame) bodyOff() int64 { return int64(frameLen + len(f.key)) }

// errFrame is returned for bytes that are no record.
var errFrame = errors.New("not a record")

// appendRecord appends a whole record that will stand at pos.
func appendRecord(b []byte, m marker, pos logPos, typ recordType, key string, body []byte) []byte {
	start := len(b)
	b = append(b, m[:]...)
	b = append(b, byte(typ), byte(len(key)), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = binary.LittleEndian.AppendUint32(b, checksum(body))
	b = binary.LittleEndian.AppendUint64(b, uint64(pos))
	head := len(b)
	b = append(b, 0, 0, 0, 0)
	b = append(b, key...)
	binary.LittleEndian.PutUint32(b[head:], frameCRC(b[start:]))
	return append(b, body...)
}

// frameCRC is the checksum over a record's head and key, its own field left out.
func frameCRC(rec []byte) uint32 {
	c := checksum(rec[:frameLen-4])
	return crc32.Update(c, castagnoli, rec[frameLen:])
}

// parseFrame reads the head of the record that begins b, which needs to hold no
// more than head and key. It trusts nothing: the marker, the place and the
// checksum must agree, and lengths are bounded.
func parseFrame(b []byte, m marker, pos logPos) (frame, error) {
	if len(b) < frameLen || marker(b[:8]) != m {
		return frame{}, errFrame
	}
	keyLen := int(b[9])
	if keyLen > maxKeyLen || len(b) < frameLen+keyLen {
		return frame{}, errFrame
	}
	f := frame{
		typ:     recordType(b[8]),
		key:     b[frameLen : frameLen+keyLen],
		length:  int(binary.LittleEndian.Uint32(b[12:])),
		bodyCRC: binary.LittleEndian.Uint32(b[16:]),
	}
	switch {
	case binary.LittleEndian.Uint32(b[28:]) != frameCRC(b[:frameLen+keyLen]):
		return frame{}, errFrame
	case logPos(binary.LittleEndian.Uint64(b[20:])) != pos:
		return frame{}, errFrame
	case f.typ == 0 || f.typ >= recTypes || f.length > MaxBlockBytes:
		return frame{}, errFrame
	case f.typ == recBlock && !usableHash(string(f.key)):
		return frame{}, errFrame
	case f.typ != recBlock && keyLen != 0:
		return frame{}, errFrame
	}
	return f, nil
}

// packHead is what the first bytes of a pack say.
type packHead struct {
	number  uint32
	mark    marker
	created int64 // Unix time in nanoseconds, for people
}

func (h packHead) bytes() []byte {
	b := make([]byte, packHeadLen)
	copy(b, packMagic)
	binary.LittleEndian.PutUint16(b[6:], packVersion)
	copy(b[8:], h.mark[:])
	binary.LittleEndian.PutUint64(b[16:], uint64(h.number))
	binary.LittleEndian.PutUint64(b[24:], uint64(h.created))
	binary.LittleEndian.PutUint32(b[packHeadLen-4:], checksum(b[:packHeadLen-4]))
	return b
}

// parsePackHead reads a pack's header. A damaged one is errFrame; one of a
// newer format is ErrVersion.
func parsePackHead(b []byte, number uint32) (packHead, error) {
	if len(b) < packHeadLen || string(b[:6]) != packMagic ||
		binary.LittleEndian.Uint32(b[packHeadLen-4:]) != checksum(b[:packHeadLen-4]) {
		return packHead{}, errFrame
	}
	if v := binary.LittleEndian.Uint16(b[6:]); v != packVersion {
		return packHead{}, fmt.Errorf("store: %s: %w: %d, not %d", packName(number), ErrVersion, v, packVersion)
	}
	h := packHead{
		number:  uint32(binary.LittleEndian.Uint64(b[16:])),
		mark:    marker(b[8:16]),
		created: int64(binary.LittleEndian.Uint64(b[24:])),
	}
	if h.number != number || h.mark == (marker{}) {
		return packHead{}, errFrame
	}
	return h, nil
}

// guessPackHead makes do without a damaged header: the marker also begins the
// first record, and that record must prove it.
func guessPackHead(afterHead []byte, number uint32) (packHead, error) {
	if len(afterHead) < frameLen {
		return packHead{}, errFrame
	}
	h := packHead{number: number, mark: marker(afterHead[:8])}
	if h.mark == (marker{}) {
		return packHead{}, errFrame
	}
	_, err := parseFrame(afterHead, h.mark, posOf(number, packHeadLen))
	return h, err
}

func packName(number uint32) string { return fmt.Sprintf("%08d.pack", number) }
