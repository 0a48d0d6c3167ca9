package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
)

const (
	minDigest   = 20  // bytes; a shorter digest can be forged
	maxDigest   = 64  // bytes
	maxIdentity = 128 // bytes that a CID may carry in itself
)

// trusted are the hash functions that name blocks here: those for which nobody
// can make two blocks of one name.
var trusted = map[uint64]bool{
	mh.SHA2_256: true, mh.SHA2_512: true,
	mh.SHA3_224: true, mh.SHA3_256: true, mh.SHA3_384: true, mh.SHA3_512: true,
	mh.BLAKE2B_MIN + 31: true, mh.BLAKE2B_MIN + 63: true, // blake2b-256, blake2b-512
	mh.BLAKE2S_MIN + 31: true, // blake2s-256
	mh.BLAKE3:           true,
}

// hashOf returns the multihash of c as a string, without allocating, and
// whether the multihash is the block itself (the identity function). Blocks
// are known by multihash, so that all versions and codecs of a CID meet.
func hashOf(c cid.Cid) (hash string, inline bool, err error) {
	if !c.Defined() {
		return "", false, fmt.Errorf("store: %w: it is undefined", ErrBadCid)
	}
	s := c.KeyString()
	if c.Version() != 0 {
		for range 2 { // version, codec
			n := uvarintLen(s)
			if n == 0 {
				return "", false, badCid(c, "it is malformed")
			}
			s = s[n:]
		}
	}
	code, digest, ok := parseHash(s)
	switch {
	case !ok:
		return "", false, badCid(c, "its multihash is malformed")
	case code == mh.IDENTITY:
		if len(digest) > maxIdentity {
			return "", false, badCid(c, "it carries too much data in itself")
		}
		return s, true, nil
	case !trusted[code]:
		return "", false, badCid(c, fmt.Sprintf("hash function 0x%x is not trusted", code))
	case len(digest) < minDigest || len(digest) > maxDigest:
		return "", false, badCid(c, fmt.Sprintf("its digest has %d bytes", len(digest)))
	}
	return s, false, nil
}

func badCid(c cid.Cid, why string) error {
	return fmt.Errorf("store: %w %s: %s", ErrBadCid, c, why)
}

// parseHash splits a multihash, which must fill s, into function and digest.
func parseHash(s string) (code uint64, digest string, ok bool) {
	code, n := uvarint(s)
	if n == 0 {
		return 0, "", false
	}
	length, m := uvarint(s[n:])
	if m == 0 || length != uint64(len(s)-n-m) {
		return 0, "", false
	}
	return code, s[n+m:], true
}

// hashLen is the length of the multihash at the start of s, which may be longer.
// It returns 0 if there is none.
func hashLen(s []byte) int {
	_, n := binary.Uvarint(s)
	if n <= 0 {
		return 0
	}
	length, m := binary.Uvarint(s[n:])
	if m <= 0 || length > maxIdentity || int(length) > len(s)-n-m {
		return 0
	}
	return n + m + int(length)
}

// usableHash reports whether s is the whole multihash of a block that can be
// stored: what hashOf accepts and returns as not inline.
func usableHash(s string) bool {
	code, digest, ok := parseHash(s)
	return ok && trusted[code] && len(digest) >= minDigest && len(digest) <= maxDigest
}

// uvarint is binary.Uvarint for strings; n is 0 if there is no number.
func uvarint(s string) (v uint64, n int) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		v |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

func uvarintLen(s string) int {
	_, n := uvarint(s)
	return n
}

// matches reports whether data hashes to the usable multihash.
func matches(hash string, data []byte) bool {
	code, digest, ok := parseHash(hash)
	if !ok {
		return false
	}
	if code == mh.SHA2_256 && len(digest) == sha256.Size {
		return sha256.Sum256(data) == [sha256.Size]byte([]byte(digest))
	}
	sum, err := mh.Sum(data, code, len(digest))
	return err == nil && bytes.Equal(sum, []byte(hash))
}

// cidOf is the CID under which a hash is shown to people: the store does not
// know the codec, and raw fits every block.
func cidOf(hash string) cid.Cid { return cid.NewCidV1(cid.Raw, mh.Multihash(hash)) }
