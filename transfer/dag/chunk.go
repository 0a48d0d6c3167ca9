package dag

import "github.com/ipfs/go-cid"

// Chunk is one leaf of a DAG: a run of a file's bytes under its own hash.
type Chunk struct {
	Cid  cid.Cid
	Size int // in bytes, 0 to ChunkBytes for what we make, at most MaxBlockBytes for what we accept
}

const (
	// ChunkBytes is the size of every chunk of a file but its last.
	ChunkBytes = 1 << 20
	// MaxBlockBytes is the largest block that is accepted from anyone.
	MaxBlockBytes = 2 << 20
)
