package dag

import "github.com/ipfs/go-cid"

// Links are the blocks that a block refers to, in its order. The block must have
// been verified against its CID; a raw one has none.
func Links(c cid.Cid, block []byte) ([]cid.Cid, error) {
	n, err := decode(c, block)
	if err != nil {
		return nil, err
	}
	out := make([]cid.Cid, 0, len(n.links))
	for _, l := range n.links {
		out = append(out, l.cid)
	}
	return out, nil
}
