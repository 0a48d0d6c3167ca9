package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/blockhash"
	"ringswap/internal/steer"
	"ringswap/store"
	"ringswap/transfer"
	"ringswap/transfer/dag"
	"ringswap/transfer/swap"
)

// defaultWait is how long a provider is looked for.
const defaultWait = time.Minute

// fetch is everything that a download runs on: a session that is fed providers,
// and the store for what is here already.
type fetch struct {
	storeBlocks
	*download
	node     *Node
	ref      ref
	cancel   context.CancelFunc
	search   sync.WaitGroup
	announce func() // that a part of it is here; again it does nothing
	at       atomic.Pointer[transfer.GetProgress]
}

// startFetch opens a session for a ref and looks for providers from now on. The
// caller closes it.
func (n *Node) startFetch(ctx context.Context, ref ref, wait time.Duration) (*fetch, error) {
	if wait == 0 {
		wait = defaultWait
	}
	down := []*swap.Throttle{n.down, n.steering.throttle(ref.root)}
	session, err := swap.NewSession(n.net.host, ref.root, swap.SessionConfig{
		Network: n.cfg.Network, NoProviders: wait, Down: down, Ledger: n.meter.Ledger, Gossip: n.gossip,
	})
	if err != nil {
		return nil, usageOr(err, "cannot fetch %s", ref.root)
	}
	f := &fetch{
		storeBlocks: storeBlocks{n.store, session}, download: n.transfers.begin(ctx, ref.root, session),
		node: n, ref: ref,
	}
	f.announce = sync.OnceFunc(f.announcePartial)
	ctx, f.cancel = context.WithCancel(ctx)
	f.search.Go(func() { n.gossip.follow(ctx, ref.root, session) })
	f.search.Go(func() {
		n.find(ctx, ref.root, ref.named, f.starving, func(p peer.AddrInfo, source string) { session.AddPeer(p, source) })
	})
	return f, nil
}

// starving reports whether more peers are needed to go on at all.
func (f *fetch) starving() bool {
	s := f.storeBlocks.session.State()
	return s.Connected == 0 || !s.Starving.IsZero()
}

func (f *fetch) close() {
	f.cancel()
	f.search.Wait()
	_ = f.storeBlocks.session.Close()
	f.node.transfers.end(f.download)
}

// failed explains the end of a fetch.
func (f *fetch) failed(err error) error {
	root := f.ref.root
	switch {
	case errors.Is(err, swap.ErrNoProviders):
		for _, p := range f.storeBlocks.session.Peers() {
			if p.Status == swap.PeerBanned {
				return failure(KindDamaged, err, "peer providers "+root.String(), "%s: a provider sent wrong data (%s) and no other was found", root, p.Reason)
			}
		}
		return f.notFound()
	case errors.Is(err, transfer.ErrNoEntry):
		return failure(KindNotFound, err, "peer ls "+root.String(), "%s is not got", f.ref.path)
	case errors.Is(err, dag.ErrMalformed), errors.Is(err, transfer.ErrUnsafe):
		return failure(KindDamaged, err, "peer ls "+root.String(), "%s cannot be put on this disk", root)
	case errors.Is(err, transfer.ErrExists):
		return failure(KindFailed, err, "the same command with --force, which replaces what is there, or with another -o PATH", "%s is not written", root)
	case errors.Is(err, transfer.ErrInUse):
		return failure(KindFailed, err, "peer transfers, to see what fetches it, and peer cancel "+root.String(), "%s is not written", root)
	case errors.Is(err, context.Canceled):
		return failure(KindInterrupted, err, "the same command again resumes it", "the transfer of %s was interrupted", root)
	}
	return storeFailure(err, "the transfer of %s failed", root)
}

// notFound says how far the search came: to nobody, to strangers, or to peers of
// which none has it now.
func (f *fetch) notFound() error {
	root, peers := f.ref.root, f.storeBlocks.session.Peers()
	if len(peers) > 0 {
		why := fmt.Sprintf("%d named, none of them has it now", len(peers))
		if r := peers[0].Reason; r != "" {
			why += " (" + r + ")"
		}
		return notFound(root, why)
	}
	if why, try := f.node.onlyStrangers(context.Background()); why != "" {
		return &Error{Kind: KindNotFound, What: "no provider of " + root.String() + " was found", Why: why, Try: try, Err: swap.ErrNoProviders}
	}
	if len(f.node.net.host.Network().Peers()) == 0 {
		return notFound(root, "this node is connected to nobody")
	}
	return notFound(root, "nobody who was asked knows of one")
}

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
	defer n.steering.give(ref.root, 0)
	return n.carry(ctx, t.ID, ref, req, progress)
}

// getOnce is one run of a transfer: until it is complete or ctx ends.
func (n *Node) getOnce(ctx context.Context, c *carrier) (Got, error) {
	ref, req := c.ref, c.req
	f, err := n.startFetch(ctx, ref, req.Wait)
	if err != nil {
		return Got{}, err
	}
	defer f.close()
	n.steering.runs(c.id, f)
	defer n.steering.runs(c.id, nil)
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
	cfg := transfer.GetConfig{
		Root: ref.root, Inside: ref.path, Out: req.Path, Name: ref.name, Force: req.Force,
		Sink: importSink{batch}, Progress: func(p transfer.GetProgress) { f.at.Store(&p) },
	}
	if ref.path == "" { // of a part, others get nothing before it is whole: they count the chunks of all
		cfg.Opened = func(t *transfer.Target) {
			f.holding = n.transfers.opened(f.download, t)
			if have, _ := f.holding.Count(); have > 0 {
				f.announce()
			}
		}
		cfg.Arrived = func(i int) { f.holding.Add(i); f.announce() }
	}
	got, err := transfer.Get(ctx, cfg, f)
	if errors.Is(err, transfer.ErrInUse) && n.transfers.afterInterrupted(ctx, ref.root) {
		got, err = transfer.Get(ctx, cfg, f)
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
	return n.steering.update(func(p *steer.Plan) error {
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

// retract ends the announcements of a root of which nothing is served.
func (n *Node) retract(root cid.Cid) {
	if n.shares(root) {
		return
	}
	n.spawn(func(ctx context.Context) error { return n.net.driver.Unprovide(ctx, root) })
}

// contributors are the peers whose bytes counted.
func (f *fetch) contributors() []GotPeer {
	peers := []GotPeer{}
	for _, p := range f.storeBlocks.session.Peers() {
		if p.Verified > 0 {
			peers = append(peers, GotPeer{ID: p.ID.String(), Bytes: p.Verified, Path: route(p.Relayed)})
		}
	}
	return peers
}

// watcher turns what a download reports into progress for a user, several times
// a second, also while nothing happens.
type watcher struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func (f *fetch) watch(ctx context.Context, progress func(Progress)) *watcher {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{cancel: cancel}
	if progress == nil {
		return w
	}
	w.running.Go(func() {
		note := ""
		for {
			p, state := f.progress(), f.storeBlocks.session.State()
			if !state.Starving.IsZero() && time.Since(state.Starving) > 3*time.Second {
				if note == "" {
					note = f.node.lookingNote(ctx)
				}
				p.Note = note
			} else {
				note = ""
			}
			progress(p)
			if !pause(ctx, paceInterval) {
				return
			}
		}
	})
	return w
}

func (w *watcher) stop() {
	w.cancel()
	w.running.Wait()
}

// progress is how far the download has come.
func (f *fetch) progress() Progress {
	var at transfer.GetProgress
	if p := f.at.Load(); p != nil {
		at = *p
	}
	connected := f.storeBlocks.session.State().Connected
	return Progress{
		Phase: phase(at.Phase, connected), Name: f.ref.shown(),
		Done: at.Bytes, Total: at.Total, Peers: connected,
	}
}

func phase(p transfer.Phase, peers int) string {
	switch {
	case p == transfer.PhaseChecking:
		return "verifying"
	case p == transfer.PhaseSyncing:
		return "finishing"
	case p == transfer.PhaseNodes && peers == 0:
		return "finding"
	}
	return "fetching"
}

// Cat implements [Service].
func (n *Node) Cat(ctx context.Context, req CatRequest, w io.Writer) error {
	ref, err := parsePath(req.Ref)
	if err != nil {
		return err
	}
	if req.Offset < 0 {
		return usage("the offset %d is negative", req.Offset)
	}
	f, err := n.startFetch(ctx, ref, req.Wait)
	if err != nil {
		return err
	}
	defer f.close()
	err = transfer.Cat(ctx, transfer.CatConfig{Root: ref.root, Inside: ref.path, Offset: req.Offset, Length: req.Length}, w, f)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, transfer.ErrNotFile):
		return failure(KindUsage, err, "peer ls "+ref.root.String(), "cannot print %s", ref.root)
	case errors.Is(err, io.ErrClosedPipe), errors.Is(err, os.ErrClosed):
		return err
	}
	return f.failed(err)
}

// usageOr makes an error about the user's CID a usage error.
func usageOr(err error, what string, args ...any) error {
	if errors.Is(err, blockhash.ErrUntrusted) || errors.Is(err, dag.ErrMalformed) {
		return failure(KindUsage, err, "", what, args...)
	}
	return failure(KindFailed, err, "", what, args...)
}

// fetchAll gets every block below a root into the store.
func (n *Node) fetchAll(ctx context.Context, root cid.Cid, f *fetch, progress func(Progress)) error {
	m, err := dag.Build(ctx, root, keeping{f}, dag.Limits{})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	pace := newPace()
	var done int64
	return f.FetchChunks(ctx, transfer.ChunkRequest{
		Chunks:  m.Chunks,
		Missing: func(i int) bool { has, err := n.store.Has(m.Chunks[i].Cid); return err != nil || !has },
		Deliver: func(i int, data []byte) error {
			if err := n.store.PutVerified(m.Chunks[i].Cid, data); err != nil {
				return err
			}
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
