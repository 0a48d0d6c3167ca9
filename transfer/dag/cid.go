package dag

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"ringswap/blockhash"
)

var (
	// ErrUnsupported is returned for a CID or node of a kind that is not
	// understood here: another codec, another hash function, another format.
	ErrUnsupported = errors.New("unsupported kind of content")
	// ErrHashMismatch is returned when bytes do not have the hash that their CID
	// names.
	ErrHashMismatch = blockhash.ErrMismatch
)

// leafPrefix is what the binary form of every leaf's CID begins with: CIDv1,
// raw, sha2-256, 32 bytes.
var leafPrefix = [4]byte{1, cid.Raw, mh.SHA2_256, sha256.Size}

// nodePrefix says how the CIDs of internal nodes are made.
var nodePrefix = cid.Prefix{Version: 1, Codec: cid.DagProtobuf, MhType: mh.SHA2_256, MhLength: sha256.Size}

// leafCid is the CID of a raw block with the given hash.
func leafCid(digest *[sha256.Size]byte) cid.Cid {
	var b [len(leafPrefix) + sha256.Size]byte
	copy(b[:], leafPrefix[:])
	copy(b[len(leafPrefix):], digest[:])
	_, c, err := cid.CidFromBytes(b[:])
	if err != nil {
		panic(err) // the bytes are well formed by construction
	}
	return c
}

// CheckCid reports, as ErrUnsupported, why content under c cannot be read:
// accepted are raw blocks and dag-pb nodes under a full sha2, sha3, blake2b or
// blake3 hash, and small blocks that the CID carries in itself.
func CheckCid(c cid.Cid) error {
	if !c.Defined() {
		return fmt.Errorf("no CID: %w", ErrUnsupported)
	}
	p := c.Prefix()
	if p.Codec != cid.Raw && p.Codec != cid.DagProtobuf {
		return fmt.Errorf("%s: codec 0x%x: %w", c, p.Codec, ErrUnsupported)
	}
	if err := blockhash.Check(c); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return nil
}

// Verify reports, as ErrHashMismatch, whether data is other than c says.
func Verify(c cid.Cid, data []byte) error {
	if err := CheckCid(c); err != nil {
		return err
	}
	return blockhash.Verify(c, data)
}

// emptyLeaf is the CID of an empty file.
var emptyLeaf = func() cid.Cid {
	sum := sha256.Sum256(nil)
	return leafCid(&sum)
}()

// Inline returns the block that c determines by itself, and whether it does:
// the empty leaf, and blocks under the identity hash.
func Inline(c cid.Cid) ([]byte, bool) {
	if c.Equals(emptyLeaf) {
		return nil, true
	}
	name, err := blockhash.Of(c)
	if err != nil || !name.Identity() {
		return nil, false
	}
	return []byte(name.Digest), true
}
