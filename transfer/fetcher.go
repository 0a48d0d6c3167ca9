package transfer

import (
	"context"
	"slices"
	"sync"

	"github.com/ipfs/go-cid"

	"ringswap/transfer/dag"
)

// Order is the order in which chunks are asked for.
type Order int

const (
	// AnyOrder leaves it to the fetcher, and blocks may be delivered several at
	// a time.
	AnyOrder Order = iota
	// InOrder asks for and delivers chunks one at a time in their order.
	InOrder
)

// ChunkRequest is what a Fetcher is to fetch.
type ChunkRequest struct {
	// Chunks are all distinct chunks of the DAG in its order: peers count what
	// they have in them. Not to be changed.
	Chunks []dag.Chunk
	// Missing says which of them to fetch. It is asked before the fetch begins.
	Missing func(i int) bool
	Order   Order
	// Deliver takes a block that was verified against its CID. block is valid
	// until it returns. An error ends the fetch, which returns it.
	Deliver func(i int, block []byte) error
}

// Fetcher gets the content of one root from wherever it is.
type Fetcher interface {
	// Blocks gets nodes, as dag.Blocks says.
	dag.Blocks
	// FetchChunks fetches and delivers chunks. It returns when all are
	// delivered, or with the first error; Deliver is not called after.
	FetchChunks(ctx context.Context, req ChunkRequest) error
}

// nodeTap passes the nodes that come from a fetcher on, as to a sink: one at a time,
// each in bytes of its own.
type nodeTap struct {
	blocks dag.Blocks
	mu     *sync.Mutex
	node   func(ctx context.Context, c cid.Cid, block []byte) error
}

// Blocks is dag.Blocks'.
func (n nodeTap) Blocks(ctx context.Context, cids []cid.Cid, each func(int, []byte) error) error {
	return n.blocks.Blocks(ctx, cids, func(i int, block []byte) error {
		if err := each(i, block); err != nil || cids[i].Prefix().Codec != cid.DagProtobuf {
			return err
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.node(ctx, cids[i], slices.Clone(block))
	})
}
