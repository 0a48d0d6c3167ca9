package node

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path/filepath"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/overlay"
	"ringswap/store"
	"ringswap/transfer"
	"ringswap/transfer/dag"
)

// announceTimeout bounds how long a user waits for an announcement. The overlay
// goes on announcing afterwards.
const announceTimeout = 15 * time.Second

// ComputeCID computes the CID of a path. It touches neither network nor store.
func ComputeCID(ctx context.Context, path string, hidden bool, progress func(Progress)) (Shared, error) {
	s, err := importPath(ctx, path, hidden, nil, progress)
	if err != nil {
		return Shared{}, err
	}
	return Shared{Cid: s.Root.String(), Name: s.Name, Size: s.Size, Chunks: int(s.Chunks)}, nil
}

// Share implements [Service].
func (n *Node) Share(ctx context.Context, req ShareRequest, progress func(Progress)) (Shared, error) {
	batch, err := n.store.Begin()
	if err != nil {
		return Shared{}, storeFailure(err, "cannot share %s", req.Path)
	}
	defer batch.Close()
	sink := &importSink{batch: batch}
	defer sink.wait()
	s, err := importPath(ctx, req.Path, req.Hidden, sink, progress)
	if err != nil {
		return Shared{}, err
	}
	if err := sink.flush(); err != nil {
		return Shared{}, importFailure(err, req.Path)
	}
	root := store.Root{Cid: s.Root, Name: s.Name, Path: s.Path, Size: s.Size, Chunks: s.Chunks}
	known := n.transfers.serves(s.Root)
	if err := n.keepRoot(ctx, root); err != nil {
		return Shared{}, storeFailure(err, "cannot share %s", req.Path)
	}
	if !known {
		n.spread(ctx, root)
	}
	report(progress, Progress{Phase: "announcing", Name: s.Name, Done: s.Size, Total: s.Size})
	out := Shared{
		Cid: s.Root.String(), Link: n.link(s.Root, s.Name), Name: s.Name, Size: s.Size, Chunks: int(s.Chunks),
	}
	if n.active(s.Root) {
		out.Announced = n.announce(ctx, s.Root)
	} else {
		out.Warning = "it is paused, or rests since its seeding goal was reached; to serve it: peer resume " + out.Cid
	}
	if out.Announced == 0 && out.Warning == "" {
		out.Warning = n.unannounced(ctx)
	}
	if req.Replicas > 0 {
		// This version pushes no copies: none is acknowledged.
		none, all := 0, out.Chunks
		out.Replicas, out.Acked, out.UnderReplicated = &req.Replicas, &none, &all
	}
	return out, nil
}

// importPath hashes a path, telling sink about it if there is one.
func importPath(ctx context.Context, path string, hidden bool, sink dag.Sink, progress func(Progress)) (s transfer.Shared, err error) {
	cfg := dag.ImportConfig{Hidden: hidden, FollowRoot: true}
	if progress != nil {
		_, total, err := dag.Measure(ctx, path, cfg)
		if err != nil {
			return s, importFailure(err, path)
		}
		name := filepath.Base(path)
		pace := newPace()
		cfg.Progress = func(p dag.Progress) {
			if pace.due() {
				progress(Progress{Phase: "hashing", Name: name, Done: p.Bytes, Total: total})
			}
		}
	}
	for shared, e := range transfer.Share(ctx, []string{path}, sink, cfg) {
		s, err = shared, e
	}
	if err != nil {
		return s, importFailure(err, path)
	}
	return s, nil
}

func importFailure(err error, path string) error {
	try := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		try = "is the path right?"
	case errors.Is(err, dag.ErrChangedWhileReading):
		try = "the same command again when nothing writes to it"
	case errors.Is(err, store.ErrDiskFull):
		return storeFailure(err, "cannot share %s", path)
	}
	return failure(KindFailed, err, try, "cannot share %s", path)
}

// keepRoot enters a root that is complete in the store, durably, and serves it.
func (n *Node) keepRoot(ctx context.Context, root store.Root) error {
	if err := n.store.AddRoot(root); err != nil {
		return err
	}
	if err := n.store.Sync(ctx); err != nil {
		return err
	}
	n.transfers.share(root.Cid, root.Size)
	return nil
}

// announce tells the overlay and returns how many nodes took it so far. Whoever
// is not reached in time is told later: the overlay keeps at it.
func (n *Node) announce(ctx context.Context, root cid.Cid) int {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	stored, err := n.net.driver.Provide(ctx, root)
	if err != nil && !errors.Is(err, overlay.ErrNoPeers) {
		n.log.Info("an announcement is not complete", "cid", root, "err", err)
	}
	return stored
}

// kept yields everything that is here to stay: what is shared and what is
// pinned.
func (n *Node) kept(ctx context.Context) iter.Seq2[cid.Cid, error] {
	return func(yield func(cid.Cid, error) bool) {
		for root, err := range n.store.Roots(ctx) {
			if !yield(root.Cid, err) || err != nil {
				return
			}
		}
		for pin, err := range n.store.Pins(ctx) {
			if !yield(pin.Cid, err) || err != nil {
				return
			}
		}
	}
}

// serveAll lets peers have what was kept in earlier runs.
func (n *Node) serveAll(ctx context.Context) error {
	for root, err := range n.kept(ctx) {
		if err != nil {
			return err
		}
		n.transfers.share(root, n.size(root))
	}
	return nil
}

// announceAll announces what was kept in earlier runs, one after the other.
func (n *Node) announceAll(ctx context.Context) error {
	for root, err := range n.kept(ctx) {
		if err != nil {
			return err
		}
		if n.active(root) {
			n.announce(ctx, root)
		}
	}
	return nil
}

// shares reports whether this node has all of a root.
func (n *Node) shares(root cid.Cid) bool {
	h := n.transfers.holding(root)
	if h == nil {
		return false
	}
	have, chunks := h.Count()
	return have == chunks
}

// Shares implements [Service].
func (n *Node) Shares(ctx context.Context) iter.Seq2[ShareInfo, error] {
	return func(yield func(ShareInfo, error) bool) {
		for root, err := range n.store.Roots(ctx) {
			if err != nil {
				yield(ShareInfo{}, storeFailure(err, "cannot list what is shared"))
				return
			}
			if !yield(n.shareInfo(root), nil) {
				return
			}
		}
	}
}

func (n *Node) shareInfo(r store.Root) ShareInfo {
	return ShareInfo{
		Cid: r.Cid.String(), Name: r.Name, Path: r.Path, Size: r.Size, Chunks: int(r.Chunks),
		Added: r.Added, Pinned: r.Pinned, Link: n.link(r.Cid, r.Name),
	}
}

// Unshare implements [Service].
func (n *Node) Unshare(ctx context.Context, text string) (ShareInfo, error) {
	ref, err := parseRef(text)
	if err != nil {
		return ShareInfo{}, err
	}
	root, err := n.store.Root(ref.root)
	if errors.Is(err, store.ErrNotFound) {
		return ShareInfo{}, &Error{Kind: KindNotFound, What: ref.root.String() + " is not shared here", Try: "peer ls"}
	}
	if err == nil {
		err = n.store.RemoveRoot(ref.root)
	}
	if err == nil {
		err = n.store.Sync(ctx)
	}
	if err != nil {
		return ShareInfo{}, storeFailure(err, "cannot stop sharing %s", ref.root)
	}
	if !root.Pinned {
		n.transfers.withdraw(ref.root)
		n.forgetRoot(ref.root)
		if err := n.net.driver.Unprovide(ctx, ref.root); err != nil {
			n.log.Info("the overlay goes on announcing", "cid", ref.root, "err", err)
		}
		n.collectLater()
	}
	return n.shareInfo(root), nil
}

// storeFailure tells the user what the store could not do.
func storeFailure(err error, what string, args ...any) error {
	switch {
	case errors.Is(err, store.ErrDiskFull), errors.Is(err, transfer.ErrDiskFull):
		return failure(KindFailed, err, "free some space on the disk (peer gc may help), then the same command again", what, args...)
	case errors.Is(err, store.ErrQuota):
		return failure(KindFailed, err, "peer gc", what, args...)
	case errors.Is(err, store.ErrChanged), errors.Is(err, store.ErrMissing), errors.Is(err, store.ErrCorrupt):
		return failure(KindDamaged, err, "peer verify", what, args...)
	}
	return failure(KindFailed, err, "", what, args...)
}

func report(progress func(Progress), p Progress) {
	if progress != nil {
		progress(p)
	}
}

// pace lets progress through several times a second.
type pace struct{ next time.Time }

const paceInterval = 100 * time.Millisecond

func newPace() *pace { return &pace{} }

// due is called by one goroutine at a time.
func (p *pace) due() bool {
	now := time.Now()
	if now.Before(p.next) {
		return false
	}
	p.next = now.Add(paceInterval)
	return true
}
