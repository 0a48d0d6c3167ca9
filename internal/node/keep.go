package node

import (
	"context"
	"errors"
	"iter"

	"ringswap/store"
	"ringswap/transfer/dag"
)

// Pins implements [Service].
func (n *Node) Pins(ctx context.Context) iter.Seq2[Pin, error] {
	return func(yield func(Pin, error) bool) {
		for p, err := range n.store.Pins(ctx) {
			if err != nil {
				yield(Pin{}, storeFailure(err, "cannot list the pins"))
				return
			}
			if !yield(Pin{Cid: p.Cid.String()}, nil) {
				return
			}
		}
	}
}

// Pin implements [Service].
func (n *Node) Pin(ctx context.Context, text string, progress func(Progress)) (Pin, error) {
	ref, err := parseRef(text)
	if err != nil {
		return Pin{}, err
	}
	f, err := n.startFetch(ctx, ref, 0)
	if err != nil {
		return Pin{}, err
	}
	defer f.close()
	batch, err := n.store.Begin()
	if err != nil {
		return Pin{}, storeFailure(err, "cannot pin %s", ref.root)
	}
	defer batch.Close()
	size, err := n.fetchAll(ctx, ref.root, f, progress)
	if err != nil {
		n.retract(ref.root)
		return Pin{}, f.failed(err)
	}
	err = n.store.AddPin(store.Pin{Cid: ref.root, Name: ref.name, Size: size})
	if err == nil {
		err = n.store.Sync(ctx)
	}
	if err != nil {
		return Pin{}, storeFailure(err, "cannot pin %s", ref.root)
	}
	n.transfers.share(ref.root, size)
	if n.active(ref.root) {
		n.announce(ctx, ref.root)
	}
	return Pin{Cid: ref.root.String()}, nil
}

// Unpin implements [Service].
func (n *Node) Unpin(ctx context.Context, text string) (Pin, error) {
	ref, err := parseRef(text)
	if err != nil {
		return Pin{}, err
	}
	err = n.store.Unpin(ref.root)
	if errors.Is(err, store.ErrNotFound) {
		return Pin{}, &Error{Kind: KindNotFound, What: ref.root.String() + " is not pinned here", Try: "peer pin ls"}
	}
	if err == nil {
		err = n.store.Sync(ctx)
	}
	if err != nil {
		return Pin{}, storeFailure(err, "cannot unpin %s", ref.root)
	}
	if _, err := n.store.Root(ref.root); errors.Is(err, store.ErrNotFound) {
		n.transfers.withdraw(ref.root)
		n.forgetRoot(ref.root)
		if err := n.net.driver.Unprovide(ctx, ref.root); err != nil {
			n.log.Info("the overlay goes on announcing", "cid", ref.root, "err", err)
		}
	}
	return Pin{Cid: ref.root.String()}, nil
}

// GC implements [Service].
func (n *Node) GC(ctx context.Context, progress func(Progress)) (Reclaimed, error) {
	stats, err := n.store.GC(ctx, store.GCOptions{
		Links: dag.Links,
		Progress: func(s store.GCStats) {
			report(progress, Progress{Phase: "sweeping", Done: s.Bytes})
		},
	})
	if errors.Is(err, store.ErrIncomplete) {
		return Reclaimed{}, failure(KindDamaged, err, "peer verify, then peer rm what is damaged", "nothing was reclaimed")
	}
	if err != nil {
		return Reclaimed{}, storeFailure(err, "not everything was reclaimed")
	}
	return Reclaimed{Blocks: int(stats.Blocks + stats.Refs), Bytes: stats.Bytes}, nil
}

// collectLater reclaims in the background what a removal has freed, and with it
// the references through which it could still be served.
func (n *Node) collectLater() {
	n.spawn(func(ctx context.Context) error {
		_, err := n.store.GC(ctx, store.GCOptions{Links: dag.Links})
		return err
	})
}

// storeStatus fills in what the store knows.
func (n *Node) storeStatus(ctx context.Context, s *Status) error {
	for root, err := range n.store.Roots(ctx) {
		if err != nil {
			return storeFailure(err, "the store does not answer")
		}
		s.Shares++
		s.SharedBytes += root.Size
	}
	usage, err := n.store.Usage()
	if err != nil {
		return storeFailure(err, "the store does not answer")
	}
	s.OwnedBytes = usage.Owned
	return nil
}

// Verify implements [Service].
func (n *Node) Verify(ctx context.Context, progress func(Progress)) iter.Seq2[Verified, error] {
	return func(yield func(Verified, error) bool) {
		pace := newPace()
		var sum Verified
		o := store.VerifyOptions{Progress: func(done, total int64) {
			sum.Bytes = done
			if progress != nil && pace.due() {
				progress(Progress{Phase: "verifying", Done: done, Total: total})
			}
		}}
		for d, err := range n.store.Verify(ctx, o) {
			if err != nil {
				yield(Verified{}, storeFailure(err, "cannot verify everything"))
				return
			}
			sum.Bad++
			v := Verified{Path: d.Path, Offset: d.Offset, Why: d.Err.Error(), Bad: 1}
			if d.Cid.Defined() {
				v.Cid = d.Cid.String()
			}
			if !yield(v, nil) {
				return
			}
		}
		yield(sum, nil)
	}
}
