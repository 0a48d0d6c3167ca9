package node

import (
	"context"
	"sync"

	"github.com/ipfs/go-cid"

	"ringswap/transfer"
	"ringswap/transfer/dag"
)

// fetchAll gets every block below a root into the store, and gives what has come to
// others. size is that of its files in bytes.
func (n *Node) fetchAll(ctx context.Context, root cid.Cid, f *fetch, progress func(Progress)) (size int64, err error) {
	m, err := dag.Build(ctx, root, keeping{f}, dag.Limits{})
	if err != nil {
		return 0, err
	}
	holding := n.transfers.stored(f.download, m)
	cids := make([]cid.Cid, len(m.Chunks))
	for i, c := range m.Chunks {
		cids[i] = c.Cid
	}
	have, err := n.store.Which(cids)
	if err != nil {
		return 0, err
	}
	for i, here := range have {
		if here {
			holding.Add(i)
			f.announce()
		}
	}
	var mu sync.Mutex
	pace := newPace()
	var done int64
	return m.Size, f.FetchChunks(ctx, transfer.ChunkRequest{
		Chunks:  m.Chunks,
		Missing: func(i int) bool { return !have[i] },
		Deliver: func(i int, data []byte) error {
			if err := n.store.PutVerified(m.Chunks[i].Cid, data); err != nil {
				return err
			}
			holding.Add(i)
			f.announce()
			mu.Lock()
			defer mu.Unlock()
			done += int64(len(data))
			if progress != nil && pace.due() {
				progress(Progress{Phase: "fetching", Name: root.String(), Done: done, Total: m.Size, Peers: f.storeBlocks.session.State().Connected})
			}
			return nil
		},
	})
}

// keeping puts every node that it fetches into the store.
type keeping struct{ *fetch }

// Blocks implements dag.Blocks.
func (k keeping) Blocks(ctx context.Context, cids []cid.Cid, each func(i int, data []byte) error) error {
	return k.fetch.Blocks(ctx, cids, func(i int, data []byte) error {
		if err := each(i, data); err != nil {
			return err
		}
		return k.node.store.PutVerified(cids[i], data)
	})
}
