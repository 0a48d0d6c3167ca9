package swap

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
)

// maxIdentity is the longest identity digest, in bytes, that counts as a block.
const maxIdentity = 128

// digestBytes are the hash functions that are strong enough to vouch for bytes
// from a stranger, with the full length of their digests: a truncated one is
// not accepted.
var digestBytes = map[uint64]int{
	mh.SHA2_256: 32, mh.SHA2_512: 64,
	mh.SHA3_256: 32, mh.SHA3_384: 48, mh.SHA3_512: 64,
	mh.BLAKE2B_MIN + 31: 32, mh.BLAKE2B_MAX: 64,
	mh.BLAKE3: 32,
}

// CheckHash says whether bytes can be verified against c: nil, or an error that
// wraps ErrHash. The functions accepted are sha2-256, sha2-512, sha3, blake2b
// and blake3 at full length, and identity up to 128 bytes.
func CheckHash(c cid.Cid) error {
	if !c.Defined() {
		return fmt.Errorf("%w: undefined CID", ErrHash)
	}
	d, err := mh.Decode(c.Hash())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHash, err)
	}
	if d.Code == mh.IDENTITY && d.Length <= maxIdentity {
		return nil
	}
	if n, ok := digestBytes[d.Code]; !ok || n != d.Length {
		return fmt.Errorf("%w: %s of %d bytes", ErrHash, d.Name, d.Length)
	}
	return nil
}

// Verify says whether data is what c names. It returns nil, or an error that
// wraps ErrMismatch or ErrHash.
func Verify(c cid.Cid, data []byte) error {
	if err := CheckHash(c); err != nil {
		return err
	}
	d, err := mh.Decode(c.Hash())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHash, err)
	}
	var ok bool
	switch d.Code {
	case mh.SHA2_256:
		sum := sha256.Sum256(data)
		ok = bytes.Equal(sum[:], d.Digest)
	case mh.IDENTITY:
		ok = bytes.Equal(data, d.Digest)
	default:
		sum, err := mh.Sum(data, d.Code, d.Length)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrHash, err)
		}
		ok = bytes.Equal(sum, c.Hash())
	}
	if !ok {
		return fmt.Errorf("%w: %s", ErrMismatch, c)
	}
	return nil
}
