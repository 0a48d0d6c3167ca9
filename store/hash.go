package store

import (
	"encoding/binary"
	"fmt"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"ringswap/blockhash"
)

// hashOf returns the multihash of c as a string, without allocating, and
// whether the multihash is the block itself (the identity function). Blocks
// are known by multihash, so that all versions and codecs of a CID meet.
func hashOf(c cid.Cid) (hash string, inline bool, err error) {
	name, err := blockhash.Of(c)
	if err != nil {
		return "", false, fmt.Errorf("store: %w: %w", ErrBadCid, err)
	}
	return name.Hash, name.Identity(), nil
}

// hashLen is the length of the multihash at the start of s, which may be longer.
// It returns 0 if there is none.
func hashLen(s []byte) int {
	_, n := binary.Uvarint(s)
	if n <= 0 {
		return 0
	}
	length, m := binary.Uvarint(s[n:])
	if m <= 0 || length > blockhash.MaxIdentity || int(length) > len(s)-n-m {
		return 0
	}
	return n + m + int(length)
}

// usableHash reports whether s is the whole multihash of a block that can be
// stored: what hashOf accepts and returns as not inline.
func usableHash(s string) bool {
	name, ok := blockhash.Parse(s)
	return ok && !name.Identity()
}

// matches reports whether data hashes to the usable multihash.
func matches(hash string, data []byte) bool {
	name, ok := blockhash.Parse(hash)
	return ok && name.Names(data)
}

// cidOf is the CID under which a hash is shown to people: the store does not
// know the codec, and raw fits every block.
func cidOf(hash string) cid.Cid { return cid.NewCidV1(cid.Raw, mh.Multihash(hash)) }
