package node

import (
	"context"
	"slices"
	"sync"

	"github.com/ipfs/go-cid"

	"ringswap/store"
	"ringswap/transfer"
	"ringswap/transfer/dag"
	"ringswap/transfer/swap"
)

// storeBlocks fetches what is in the store from there, and the rest from peers.
type storeBlocks struct {
	store   *store.Store
	session *swap.Session
}

// Blocks implements dag.Blocks.
func (f storeBlocks) Blocks(ctx context.Context, cids []cid.Cid, each func(i int, data []byte) error) error {
	var missing []cid.Cid
	var index []int
	for i, c := range cids {
		data, err := f.store.Get(ctx, c)
		if err != nil { // whatever is wrong with ours, a peer's is as good
			missing, index = append(missing, c), append(index, i)
			continue
		}
		if err := each(i, data); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var one sync.Mutex // each is called for one block at a time
	return f.session.Blocks(ctx, missing, func(i int, data []byte) error {
		one.Lock()
		defer one.Unlock()
		return each(index[i], data)
	})
}

// FetchChunks implements transfer.Fetcher: chunks that are in the store already
// are copied, the rest is fetched.
func (f storeBlocks) FetchChunks(ctx context.Context, req transfer.ChunkRequest) error {
	if req.Order == transfer.InOrder {
		return f.fetchInOrder(ctx, req)
	}
	local := make(map[int]bool)
	for _, i := range f.here(req) {
		data, err := f.local(ctx, req.Chunks[i])
		if err != nil {
			return err
		}
		if data == nil {
			continue
		}
		if err := req.Deliver(i, data); err != nil {
			return err
		}
		local[i] = true
	}
	return f.session.FetchChunks(ctx, swap.ChunkFetch{
		Chunks:  req.Chunks,
		Missing: func(i int) bool { return !local[i] && req.Missing(i) },
		Deliver: req.Deliver,
	})
}

// here are the missing chunks of which the store knows a location. Whatever is
// wrong with the store, a peer's copy is as good.
func (f storeBlocks) here(req transfer.ChunkRequest) (list []int) {
	var missing []int
	var cids []cid.Cid
	for i, c := range req.Chunks {
		if req.Missing(i) {
			missing, cids = append(missing, i), append(cids, c.Cid)
		}
	}
	have, err := f.store.Which(cids)
	if err != nil {
		return nil
	}
	for k, i := range missing {
		if have[k] {
			list = append(list, i)
		}
	}
	return list
}

// fetchInOrder fetches runs of missing chunks between those that are here.
func (f storeBlocks) fetchInOrder(ctx context.Context, req transfer.ChunkRequest) error {
	var run []int // indexes to fetch before the next one that is here
	flush := func() error {
		if len(run) == 0 {
			return nil
		}
		wanted := run
		run = nil
		return f.session.FetchChunks(ctx, swap.ChunkFetch{
			Chunks:  req.Chunks,
			Missing: func(i int) bool { _, ok := slices.BinarySearch(wanted, i); return ok },
			Order:   swap.Sequential,
			Deliver: req.Deliver,
		})
	}
	here := f.here(req)
	for i, c := range req.Chunks {
		if !req.Missing(i) {
			continue
		}
		for len(here) > 0 && here[0] < i { // was not missing any more when its turn came
			here = here[1:]
		}
		if len(here) == 0 || here[0] != i {
			run = append(run, i)
			continue
		}
		here = here[1:]
		if err := flush(); err != nil {
			return err
		}
		data, err := f.local(ctx, c)
		if err != nil {
			return err
		}
		if data == nil {
			run = append(run, i)
			continue
		}
		if err := req.Deliver(i, data); err != nil {
			return err
		}
	}
	return flush()
}

// local is a chunk from the store, checked against its CID; nil if it is not
// there as it should be.
func (f storeBlocks) local(ctx context.Context, c dag.Chunk) ([]byte, error) {
	data, err := f.store.Get(ctx, c.Cid)
	if err != nil {
		return nil, ctx.Err()
	}
	if len(data) != c.Size {
		return nil, nil
	}
	return data, nil
}
