package node

import (
	"context"

	"github.com/ipfs/go-cid"

	"ringswap/store"
	"ringswap/transfer/dag"
	"ringswap/transfer/swap"
	"ringswap/transfer/swap/pick"
)

// spread makes the first peers that fetch a new share get other chunks each: it is
// likely that nobody else has them yet.
func (n *Node) spread(ctx context.Context, root store.Root) {
	if root.Chunks < swap.MinSpread || root.Chunks > pick.MaxSpread {
		return
	}
	m, err := dag.Build(ctx, root.Cid, stored{n.store}, dag.Limits{}) // which counts every chunk once
	if err != nil {
		n.log.Info("a share is not spread", "cid", root.Cid, "err", err)
		return
	}
	if h := n.transfers.holding(root.Cid); h != nil {
		h.Spread(len(m.Chunks))
	}
}

// stored are the nodes that the store has.
type stored struct{ store *store.Store }

// Blocks implements dag.Blocks.
func (s stored) Blocks(ctx context.Context, cids []cid.Cid, each func(i int, data []byte) error) error {
	for i, c := range cids {
		data, err := s.store.Get(ctx, c)
		if err == nil {
			err = each(i, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
