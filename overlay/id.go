package overlay

import (
	"bytes"
	"crypto/sha256"
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

// Xor returns the bitwise difference of two IDs, which is Kademlia's distance
// (Maymounkov & Mazières 2002, section 2.1).
func (a ID) Xor(b ID) ID {
	var d ID
	for i := range a {
		d[i] = a[i] ^ b[i]
	}
	return d
}

// Sub returns a-b modulo 2^256: the way along Chord's ring from b forward to a.
func (a ID) Sub(b ID) ID {
	var d ID
	borrow := uint16(0)
	for i := IDBytes - 1; i >= 0; i-- {
		v := uint16(a[i]) - uint16(b[i]) - borrow
		d[i] = byte(v)
		borrow = (v >> 8) & 1
	}
	return d
}

// Compare orders IDs as unsigned numbers: -1 if a < b, 0 if equal, +1 if a > b.
func (a ID) Compare(b ID) int { return bytes.Compare(a[:], b[:]) }

// IsZero reports whether every bit of a is zero.
func (a ID) IsZero() bool { return a == ID{} }

// LeadingZeros counts the zero bits before the first one bit: 0 to 256.
func (a ID) LeadingZeros() int {
	for i, b := range a {
		if b != 0 {
			return 8*i + bits.LeadingZeros8(b)
		}
	}
	return 8 * IDBytes
}

// CommonPrefixLen is the number of leading bits that a and b share: 0 to 256.
func (a ID) CommonPrefixLen(b ID) int { return a.Xor(b).LeadingZeros() }

// Bit returns the i-th bit of a, counted from the most significant one.
func (a ID) Bit(i int) int { return int(a[i/8]>>(7-i%8)) & 1 }

// Closer reports whether b is nearer to a than c is, by XOR distance. It
// allocates nothing: sorting by distance is the inner loop of a lookup.
func (a ID) Closer(b, c ID) bool {
	for i := range a {
		db, dc := a[i]^b[i], a[i]^c[i]
		if db != dc {
			return db < dc
		}
	}
	return false
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
func PeerKey(p peer.ID) Key { return RawKey([]byte(p)) }

// RawKey is the key whose pre-image is b. b is copied.
func RawKey(b []byte) Key { return Key{pre: string(b), id: sha256.Sum256(b)} }

// ID is the key's place in the keyspace.
func (k Key) ID() ID { return k.id }

// Preimage returns a copy of the bytes that were hashed.
func (k Key) Preimage() []byte { return []byte(k.pre) }

// IsZero reports whether k is the zero Key, which names nothing.
func (k Key) IsZero() bool { return k.pre == "" }
