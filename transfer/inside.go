package transfer

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ipfs/go-cid"

	"ringswap/transfer/dag"
)

// enter prepares to get what is at a path below root, as content of its own: it
// returns that content's root, and the fetcher to get it with. The nodes of the
// whole DAG are fetched, since peers that have a part of it count its chunks; around,
// if not nil, is told of them.
func enter(
	ctx context.Context, root cid.Cid, path string, limits dag.Limits, f Fetcher, around func(context.Context, cid.Cid, []byte) error,
) (cid.Cid, *inside, error) {
	in := &inside{Fetcher: f, seen: make(map[cid.Cid][]byte)}
	var nodes dag.Blocks = in
	if around != nil {
		nodes = nodeTap{blocks: in, mu: new(sync.Mutex), node: around}
	}
	whole, err := dag.Build(ctx, root, nodes, limits)
	if err != nil {
		return cid.Undef, nil, err
	}
	entry, ok := whole.Find(path)
	if !ok {
		return cid.Undef, nil, fmt.Errorf("%s: %w: %q", root, ErrNoEntry, path)
	}
	in.size, in.chunks, in.index = whole.Size, whole.Chunks, make(map[cid.Cid]int, len(whole.Chunks))
	for i, c := range whole.Chunks {
		in.index[c.Cid] = i
	}
	return whole.Entries[entry].Cid, in, nil
}

// inside fetches a part of a DAG as if it were all of one.
type inside struct {
	Fetcher
	size   int64       // of the whole DAG's files, in bytes
	chunks []dag.Chunk // of the whole DAG
	index  map[cid.Cid]int

	mu   sync.Mutex // guards what follows
	seen map[cid.Cid][]byte
	kept int // bytes in seen
}

// Whole is the DAG under the root by which peers know what is got: all of it, or that
// of which it is a part. Peers count the chunks that they have in the whole.
type Whole struct {
	Chunks int   // distinct ones
	Size   int64 // of its files, in bytes
	at     []int // where the target's chunks stand in it; nil if they are all of it
}

// Index is where chunk i of the target stands in the whole.
func (w Whole) Index(i int) int {
	if w.at == nil {
		return i
	}
	return w.at[i]
}

// of is the whole around a part; a chunk that the whole does not have stands at -1.
func (in *inside) of(part *dag.Manifest) Whole {
	w := Whole{Chunks: len(in.chunks), Size: in.size, at: make([]int, len(part.Chunks))}
	for i, c := range part.Chunks {
		at, ok := in.index[c.Cid]
		if !ok {
			at = -1 // its fetch fails
		}
		w.at[i] = at
	}
	return w
}

// maxSeen bounds the nodes of the whole DAG that are kept until those of the part
// are wanted, in bytes. Beyond it they are fetched again.
const maxSeen = 32 << 20

// Blocks is dag.Blocks'.
func (in *inside) Blocks(ctx context.Context, cids []cid.Cid, each func(i int, block []byte) error) error {
	var missing []cid.Cid
	var index []int
	for i, c := range cids {
		in.mu.Lock()
		block, ok := in.seen[c]
		in.mu.Unlock()
		if !ok {
			missing, index = append(missing, c), append(index, i)
		} else if err := each(i, block); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return in.Fetcher.Blocks(ctx, missing, func(i int, block []byte) error {
		in.keep(missing[i], block)
		return each(index[i], block)
	})
}

func (in *inside) keep(c cid.Cid, block []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.kept+len(block) <= maxSeen {
		in.kept += len(block)
		in.seen[c] = slices.Clone(block)
	}
}

// FetchChunks is Fetcher's. The chunks of a part come in another order than in
// the whole where one of them occurs before the part too, so that a fetch in order
// may take several.
func (in *inside) FetchChunks(ctx context.Context, req ChunkRequest) error {
	for i := 0; i < len(req.Chunks); {
		part := make(map[int]int) // chunks of the part, by their index in the whole
		last := -1
		for ; i < len(req.Chunks); i++ {
			if !req.Missing(i) {
				continue
			}
			at, ok := in.index[req.Chunks[i].Cid]
			if !ok {
				return fmt.Errorf("%s: %w: a chunk that its folder does not have", req.Chunks[i].Cid, dag.ErrMalformed)
			}
			if req.Order == InOrder && at < last {
				break
			}
			part[at], last = i, at
		}
		if len(part) == 0 {
			break
		}
		err := in.Fetcher.FetchChunks(ctx, ChunkRequest{
			Chunks:  in.chunks,
			Missing: func(at int) bool { _, ok := part[at]; return ok },
			Order:   req.Order,
			Deliver: func(at int, block []byte) error { return req.Deliver(part[at], block) },
		})
		if err != nil {
			return err
		}
	}
	return nil
}
