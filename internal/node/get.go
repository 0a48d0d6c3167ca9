package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/ipfs/go-cid"

	"ringswap/internal/steer"
	"ringswap/store"
	"ringswap/transfer"
	"ringswap/transfer/swap"
)

// Get implements [Service]. It waits for its turn like a transfer of the queue,
// but ends with ctx.
func (n *Node) Get(ctx context.Context, req GetRequest, progress func(Progress)) (Got, error) {
	ref, err := parsePath(req.Ref)
	if err != nil {
		return Got{}, err
	}
	t, _, err := n.ask(ref, req, true)
	if err != nil {
		return Got{}, err
	}
	defer n.steering.done(t.ID)
	defer n.steering.limitForCommand(ref.root, 0)
	return n.carry(ctx, t.ID, ref, req, progress)
}

// getOnce is one run of a transfer: until it is complete or ctx ends.
func (n *Node) getOnce(ctx context.Context, c *carrier) (Got, error) {
	ref, req := c.ref, c.req
	ref.order = req.InOrder
	f, err := n.startFetch(ctx, ref, req.Wait)
	if err != nil {
		return Got{}, err
	}
	if ref.path != "" { // what is there in the end has a root of its own
		defer n.retractOther(ref.root)
	}
	defer f.close()
	defer n.steering.runs(c.id, f)()
	defer func() { c.gave(f.contributors()) }()
	batch, err := n.store.Begin()
	if err != nil {
		return Got{}, storeFailure(err, "cannot begin to get %s", ref.root)
	}
	defer batch.Close()
	undo, err := makeFolder(filepath.Dir(req.Path))
	if err != nil {
		return Got{}, storeFailure(err, "cannot put anything into %s", filepath.Dir(req.Path))
	}

	watch := f.watch(ctx, c.progress)
	sink := &importSink{batch: batch}
	defer sink.wait()
	var holding *swap.Holding
	var whole transfer.Whole
	cfg := transfer.GetConfig{
		Root: ref.root, Inside: ref.path, Out: req.Path, Name: ref.name, Force: req.Force,
		Sink: sink, Progress: func(p transfer.GetProgress) { f.at.Store(&p) },
		Around: sink.Node, // before the nodes of the part
		Opened: func(t *transfer.Target, of transfer.Whole) {
			whole, holding = of, n.transfers.opened(f.download, t, of)
			if have, _ := holding.Count(); have > 0 {
				f.announce()
			}
		},
		Arrived: func(i int) { holding.Add(whole.Index(i)); f.announce() },
	}
	if req.InOrder {
		cfg.Order = transfer.InOrder
	}
	got, err := transfer.Get(ctx, cfg, f)
	if errors.Is(err, transfer.ErrInUse) && n.transfers.afterInterrupted(ctx, ref.root) {
		got, err = transfer.Get(ctx, cfg, f)
	}
	if err == nil {
		err = sink.flush()
	}
	watch.stop()
	if at := f.at.Load(); c.resumed < 0 && at != nil && at.Phase >= transfer.PhaseFetching {
		c.resumed = at.Resumed
	}
	if err != nil {
		undo()
		n.retract(ref.root)
		return Got{}, f.failed(err)
	}
	if c.resumed < 0 {
		c.resumed = got.Resumed
	}
	out := Got{Cid: got.Manifest.Root.String(), Path: got.Path, Size: got.Manifest.Size}
	if !got.Shareable {
		return out, nil
	}
	root := store.Root{
		Cid: got.Manifest.Root, Name: ref.name, Path: got.Path,
		Size: got.Manifest.Size, Chunks: int64(len(got.Manifest.Chunks)),
	}
	if err := n.keepFetched(ctx, ref.root, root); err != nil {
		n.notices.add(fmt.Sprintf("%s is complete but cannot be shared onwards: %v", got.Path, err))
	}
	return out, nil
}

// keepFetched shares onwards what was fetched, in its place, until its seeding goal
// is reached. Limits for its way here end: of is what it was fetched by, another
// root if it is a part.
func (n *Node) keepFetched(ctx context.Context, of cid.Cid, root store.Root) error {
	if err := n.keepRoot(ctx, root); err != nil {
		return err
	}
	return n.steering.updateBriefly(func(p *steer.Plan) error {
		p.Fetched(root.Cid)
		return p.SetRoot(of, 0, steer.Change{LimitDown: new(int64)})
	})
}

// announcePartial tells the overlay, once, that this node has a first part of
// what it fetches. One that lives for a single command does not: it would be gone
// when others come.
func (f *fetch) announcePartial() {
	n := f.node
	n.spawn(func(ctx context.Context) error {
		if !n.cfg.Brief {
			n.announce(ctx, f.ref.root)
		}
		return nil
	})
}

// retractOther is retract for a root of which only a part was fetched: if another
// transfer fetches more of it, that goes on.
func (n *Node) retractOther(root cid.Cid) {
	if n.transfers.holding(root) == nil {
		n.retract(root)
	}
}

// retract ends the announcements of a root of which nothing is served.
func (n *Node) retract(root cid.Cid) {
	if n.shares(root) {
		return
	}
	n.spawn(func(ctx context.Context) error { return n.net.driver.Unprovide(ctx, root) })
}
