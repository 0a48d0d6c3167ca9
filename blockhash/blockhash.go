// Package blockhash says by which names blocks may be known here, and whether
// bytes are those that a name stands for. There is one list of hash functions for
// what strangers send, what a DAG refers to and what the store keeps: those for
// which nobody can make two blocks of one name, at the full length of their
// digests. A short block may also be its own name (the identity function).
//
// Start reading at [Check] and [Verify].
package blockhash

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
)

var (
	// ErrUntrusted means that the CID is not defined, or that its hash function is
	// not one that vouches for bytes from strangers.
	ErrUntrusted = errors.New("hash function is not accepted")
	// ErrMismatch means that the bytes are not those that the CID names.
	ErrMismatch = errors.New("bytes do not match their CID")
)

const (
	// MaxDigest is the length of the longest digest, in bytes.
	MaxDigest = 64
	// MaxIdentity is the most bytes that a name may carry in itself.
	MaxIdentity = 128
)

// trusted are the hash functions with the length of their digests in bytes.
var trusted = map[uint64]int{
	mh.SHA2_256: 32, mh.SHA2_512: 64,
	mh.SHA3_256: 32, mh.SHA3_384: 48, mh.SHA3_512: 64,
	mh.BLAKE2B_MIN + 31: 32, mh.BLAKE2B_MAX: 64,
	mh.BLAKE3: 32,
}

// Name is the multihash of a CID that passed [Check]: blocks are known by it, so
// that all versions and codecs of a CID meet.
type Name struct {
	// Hash is the whole multihash, Digest its end: of the identity function, the
	// block itself.
	Hash, Digest string
	Function     uint64
}

// Identity reports whether the name carries the block in itself.
func (n Name) Identity() bool { return n.Function == mh.IDENTITY }

// Of returns the name of the block of c. It fails with ErrUntrusted, and
// allocates nothing otherwise.
func Of(c cid.Cid) (Name, error) {
	if !c.Defined() {
		return Name{}, fmt.Errorf("%w: it is undefined", ErrUntrusted)
	}
	s := c.KeyString()
	if c.Version() != 0 {
		for range 2 { // version, codec
			_, n := uvarint(s)
			s = s[n:]
		}
	}
	n, ok := Parse(s)
	if !ok {
		return Name{}, fmt.Errorf("%w: function 0x%x with %d bytes (%s)", ErrUntrusted, n.Function, len(n.Digest), c)
	}
	return n, nil
}

// Parse takes apart a multihash, which must fill s. It reports whether blocks may
// be known by it.
func Parse(s string) (name Name, ok bool) {
	function, n := uvarint(s)
	length, m := uvarint(s[n:])
	if n == 0 || m == 0 || length != uint64(len(s)-n-m) {
		return Name{}, false
	}
	name = Name{Hash: s, Digest: s[n+m:], Function: function}
	if name.Identity() {
		return name, len(name.Digest) <= MaxIdentity
	}
	full, ok := trusted[function]
	return name, ok && len(name.Digest) == full
}

// uvarint is binary.Uvarint for strings; n is 0 if there is no number, or one that
// is longer than it need be: a block has one name.
func uvarint(s string) (v uint64, n int) {
	for i := 0; i < len(s) && i < 9; i++ { // multiformats allow nine bytes
		v |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			if s[i] == 0 && i > 0 {
				return 0, 0
			}
			return v, i + 1
		}
	}
	return 0, 0
}

// Names reports whether data is the block of that name.
func (n Name) Names(data []byte) bool {
	switch n.Function {
	case mh.IDENTITY:
		return n.Digest == string(data)
	case mh.SHA2_256:
		sum := sha256.Sum256(data)
		return n.Digest == string(sum[:])
	}
	sum, err := mh.Sum(data, n.Function, len(n.Digest))
	return err == nil && n.Hash == string(sum)
}

// Check says why no bytes can be verified against c: nil, or an error that wraps
// ErrUntrusted.
func Check(c cid.Cid) error {
	_, err := Of(c)
	return err
}

// Verify says whether data is what c names. It returns nil, or an error that wraps
// ErrMismatch or ErrUntrusted.
func Verify(c cid.Cid, data []byte) error {
	n, err := Of(c)
	if err == nil && !n.Names(data) {
		err = fmt.Errorf("%w: %s", ErrMismatch, c)
	}
	return err
}
