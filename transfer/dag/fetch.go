package dag

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/ipfs/go-cid"
)

// Blocks is where nodes come from: a store, peers.
type Blocks interface {
	// Blocks gets the named blocks, which are distinct, and calls each once for
	// every one, in any order and perhaps from several goroutines. i is the index
	// in cids, data is valid during the call only and has been verified against its
	// CID: nobody hashes it again. It ends early with the first error of each, and
	// fails if a block cannot be had; each is not called any more once it has
	// returned.
	Blocks(ctx context.Context, cids []cid.Cid, each func(i int, data []byte) error) error
}

// Limits bound what is accepted as one piece of content. Zero fields mean the
// default.
type Limits struct {
	Levels  int // nodes on the way from the root to a chunk; default 1024
	Links   int // links, of repeated nodes counted again; default 2^22
	Chunks  int // occurrences of chunks in all files; default 2^21, which is 2 TiB
	Entries int // files, folders and symbolic links; default 2^20
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	set(&l.Levels, 1<<10)
	set(&l.Links, 1<<22)
	set(&l.Chunks, 1<<21)
	set(&l.Entries, 1<<20)
	return l
}

// Validate reports what is wrong with the limits.
func (l Limits) Validate() error {
	if min(l.Levels, l.Links, l.Chunks, l.Entries) < 0 || max(l.Chunks, l.Entries) > math.MaxInt32 {
		return fmt.Errorf("dag: limits %+v", l)
	}
	return nil
}

const (
	// fetchWindow is how many nodes are asked for at once.
	fetchWindow = 512
	// keepBytes bounds the payload of chunks that is kept when it came with the
	// nodes.
	keepBytes = 8 << 20
)

// fetcher gets nodes and decodes them, each once.
type fetcher struct {
	blocks Blocks
	limits Limits
	nodes  map[cid.Cid]*node
	links  int
	kept   int // bytes of payload in nodes
}

// level fetches the nodes that are not there yet and returns which these were,
// each once: whoever descends from all given ones instead does so again and
// again where few nodes refer to each other often.
func (f *fetcher) level(ctx context.Context, cids []cid.Cid) (fresh []cid.Cid, err error) {
	var missing []cid.Cid
	for _, c := range cids {
		if _, ok := f.nodes[c]; ok {
			continue
		}
		f.nodes[c] = nil // asked for
		fresh = append(fresh, c)
		block, ok := Inline(c)
		if !ok {
			missing = append(missing, c)
		} else if err := f.take(c, block); err != nil {
			return nil, err
		}
	}
	for window := range slices.Chunk(missing, fetchWindow) {
		if err := f.window(ctx, window); err != nil {
			return nil, err
		}
	}
	return fresh, nil
}

// breadth fetches the nodes that can be reached from root through the links
// that follow accepts, level by level.
func (f *fetcher) breadth(ctx context.Context, root cid.Cid, follow func(n *node, l *link) bool) error {
	level := []cid.Cid{root}
	for depth := 0; len(level) > 0; depth++ {
		if depth == f.limits.Levels {
			return fmt.Errorf("more than %d levels: %w", depth, ErrTooLarge)
		}
		fresh, err := f.level(ctx, level)
		if err != nil {
			return err
		}
		level = nil
		for _, c := range fresh {
			n := f.nodes[c]
			for i := range n.links {
				l := &n.links[i]
				if _, ok := f.nodes[l.cid]; !ok && follow(n, l) {
					level = append(level, l.cid)
				}
			}
		}
	}
	return nil
}

func (f *fetcher) window(ctx context.Context, cids []cid.Cid) error {
	var mu sync.Mutex
	err := f.blocks.Blocks(ctx, cids, func(i int, block []byte) error {
		mu.Lock()
		defer mu.Unlock()
		return f.take(cids[i], block)
	})
	if err != nil {
		return err
	}
	for _, c := range cids {
		if f.nodes[c] == nil {
			return fmt.Errorf("dag: the block source left out %s", c)
		}
	}
	return nil
}

func (f *fetcher) take(c cid.Cid, block []byte) error {
	n, err := decode(c, block)
	if err != nil {
		return err
	}
	f.links += len(n.links)
	if f.links > f.limits.Links {
		return fmt.Errorf("more than %d links: %w", f.limits.Links, ErrTooLarge)
	}
	if n.form == formFile && len(n.data) > 0 {
		n.payload, n.data = len(n.data), nil
		if f.kept+len(block) <= keepBytes {
			f.kept += len(block)
			n.raw = slices.Clone(block)
		}
	}
	f.nodes[c] = n
	return nil
}
