package overlay

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// IDBytes is the length of an [ID] in bytes.
const IDBytes = sha256.Size

// ID is a point of the keyspace that nodes and content share: a 256-bit number
// in big-endian order. Kademlia measures distance between two of them with
// [ID.Xor], Chord along the ring with [ID.Sub].
type ID [IDBytes]byte

// word is the i-th 64 bits of a, the most significant ones first. Arithmetic goes
// by words: it is the inner loop of every table.
func (a *ID) word(i int) uint64 { return binary.BigEndian.Uint64(a[8*i:]) }

func (a *ID) setWord(i int, v uint64) { binary.BigEndian.PutUint64(a[8*i:], v) }

const idWords = IDBytes / 8

// Xor returns the bitwise difference of two IDs, which is Kademlia's distance
// (Maymounkov & Mazières 2002, section 2.1).
func (a ID) Xor(b ID) (d ID) {
	for i := range idWords {
		d.setWord(i, a.word(i)^b.word(i))
	}
	return d
}

// Sub returns a-b modulo 2^256: the way along Chord's ring from b forward to a.
func (a ID) Sub(b ID) (d ID) {
	w3, borrow := bits.Sub64(a.word(3), b.word(3), 0)
	w2, borrow := bits.Sub64(a.word(2), b.word(2), borrow)
	w1, borrow := bits.Sub64(a.word(1), b.word(1), borrow)
	w0, _ := bits.Sub64(a.word(0), b.word(0), borrow)
	d.setWord(0, w0)
	d.setWord(1, w1)
	d.setWord(2, w2)
	d.setWord(3, w3)
	return d
}

// Compare orders IDs as unsigned numbers: -1 if a < b, 0 if equal, +1 if a > b.
func (a ID) Compare(b ID) int { return bytes.Compare(a[:], b[:]) }

// IsZero reports whether every bit of a is zero.
func (a ID) IsZero() bool { return a == ID{} }

// LeadingZeros counts the zero bits before the first one bit: 0 to 256.
func (a ID) LeadingZeros() int { return a.CommonPrefixLen(ID{}) }

// CommonPrefixLen is the number of leading bits that a and b share: 0 to 256.
func (a ID) CommonPrefixLen(b ID) int {
	for i := range idWords {
		if d := a.word(i) ^ b.word(i); d != 0 {
			return 64*i + bits.LeadingZeros64(d)
		}
	}
	return 8 * IDBytes
}

// Bit returns the i-th bit of a, counted from the most significant one.
func (a ID) Bit(i int) int { return int(a[i/8]>>(7-i%8)) & 1 }

// Closer reports whether b is nearer to a than c is, by XOR distance. It
// allocates nothing: sorting by distance is the inner loop of a lookup.
func (a ID) Closer(b, c ID) bool {
	for i := range idWords {
		v := a.word(i)
		if db, dc := v^b.word(i), v^c.word(i); db != dc {
			return db < dc
		}
	}
	return false
}

// CompareDistance orders b and c by their XOR distance to a: -1 if b is nearer, +1
// if c is, 0 if they are equal.
func (a ID) CompareDistance(b, c ID) int {
	for i := range idWords {
		v := a.word(i)
		if db, dc := v^b.word(i), v^c.word(i); db != dc {
			if db < dc {
				return -1
			}
			return +1
		}
	}
	return 0
}

// String is the full number in hexadecimal.
func (a ID) String() string { return hex.EncodeToString(a[:]) }

// Short is the first eight hexadecimal digits, for people.
func (a ID) Short() string { return hex.EncodeToString(a[:4]) }

// MarshalText writes the ID in hexadecimal.
func (a ID) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the 64 hexadecimal digits that MarshalText writes.
func (a *ID) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != IDBytes {
		return fmt.Errorf("overlay: an ID has %d hexadecimal digits, not %d", 2*IDBytes, len(text))
	}
	_, err := hex.Decode(a[:], text)
	return err
}

// Key is what a lookup looks for. Nodes are compared by the hashed ID; the
// pre-image travels on the wire, so that the receiver hashes it itself. The
// zero Key is the hash of nothing and is refused by machines.
type Key struct {
	pre string
	id  ID
}

// ContentKey is the key of a content identifier: the hash of its multihash, so
// that every CID version and codec of the same bytes meets at the same nodes.
func ContentKey(c cid.Cid) Key { return RawKey(c.Hash()) }

// PeerKey is the key of a peer: the hash of the peer ID's bytes, which is the
// peer's own place in the keyspace.
func PeerKey(p peer.ID) Key { return Key{pre: string(p), id: PeerPlace(p)} }

// PeerPlace is PeerKey(p).ID() without the key.
func PeerPlace(p peer.ID) ID {
	var short [64]byte // as long as peer IDs are; the hash would have a longer one copied
	return sha256.Sum256(append(short[:0], p...))
}

// Place is RawKey(b).ID() without the key, and so without a copy of b.
func Place(b []byte) ID { return sha256.Sum256(b) }

// RawKey is the key whose pre-image is b. b is copied.
func RawKey(b []byte) Key { return Key{pre: string(b), id: sha256.Sum256(b)} }

// ID is the key's place in the keyspace.
func (k Key) ID() ID { return k.id }

// Preimage returns a copy of the bytes that were hashed.
func (k Key) Preimage() []byte { return []byte(k.pre) }

// IsZero reports whether k is the zero Key, which names nothing.
func (k Key) IsZero() bool { return k.pre == "" }
