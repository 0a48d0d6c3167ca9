package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ipfs/go-cid"

	"ringswap/store"
	"ringswap/transfer"
	"ringswap/transfer/swap"
)

// blocks is what this node gives to others: the blocks of its store, and the
// verified chunks of downloads that still run. It implements swap.Source.
type blocks struct {
	store     *store.Store
	transfers *transfers
}

// Size implements swap.Source.
func (b blocks) Size(_ context.Context, c cid.Cid) (int, error) {
	if size, err := b.store.Size(c); err == nil {
		return size, nil
	} else if !errors.Is(err, store.ErrNotFound) {
		return 0, refusal(err)
	}
	if d, i := b.transfers.holder(c); d != nil {
		return d.target.Manifest().Chunks[i].Size, nil
	}
	return 0, fmt.Errorf("%s: %w", c, swap.ErrNotHave)
}

// ReadAt implements swap.Source.
func (b blocks) ReadAt(_ context.Context, c cid.Cid, p []byte, off int64) (int, error) {
	n, err := b.store.ReadAt(c, p, off)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return n, refusal(err)
	}
	d, i := b.transfers.holder(c)
	if d == nil {
		return 0, fmt.Errorf("%s: %w", c, swap.ErrNotHave)
	}
	n, err = d.target.ReadAt(i, p, off)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, transfer.ErrClosed) {
		err = fmt.Errorf("%w: %w", swap.ErrNotHave, err)
	}
	return n, err
}

// Swarm implements swap.Source.
func (b blocks) Swarm(root cid.Cid) *swap.Holding { return b.transfers.holding(root) }

// refusal translates what the store says into what a peer is told.
func refusal(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: %w", swap.ErrNotHave, err)
	case errors.Is(err, store.ErrChanged), errors.Is(err, store.ErrMissing), errors.Is(err, store.ErrCorrupt):
		return fmt.Errorf("%w: %w", swap.ErrChanged, err)
	}
	return err
}
