package swap

import (
	"context"

	"github.com/ipfs/go-cid"
)

// Source is where a [Server] takes its blocks from. It is called concurrently
// and decides who may see what: the server adds no access rule of its own.
type Source interface {
	// Size returns the length of a block in bytes, or an error that wraps
	// ErrNotHave or ErrChanged.
	Size(ctx context.Context, c cid.Cid) (int, error)
	// ReadAt fills p with the block's bytes from off on. Like io.ReaderAt it
	// returns an error if it reads less than len(p); the server asks for nothing
	// beyond Size. What it returns must be what c names: a file that changed
	// since it was shared is ErrChanged, never other bytes.
	ReadAt(ctx context.Context, c cid.Cid, p []byte, off int64) (int, error)
	// Swarm returns what is here of a root, nil for nothing. The server follows
	// it for as long as the peer's stream lives.
	Swarm(root cid.Cid) *Holding
}
