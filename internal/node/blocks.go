package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/ipfs/go-cid"

	"ringswap/store"
	"ringswap/transfer"
	"ringswap/transfer/dag"
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

// transfers knows what this node has of which root: all of what it shares, and
// a growing part of what it downloads.
type transfers struct {
	mu      sync.Mutex
	shared  map[cid.Cid]*swap.Holding
	running map[*download]struct{}
}

// download is one Get, Pin or Cat that runs.
type download struct {
	root    cid.Cid
	session *swap.Session
	holding *swap.Holding    // nil until the manifest is known, and for what is not served
	target  *transfer.Target // likewise
	order   []uint32         // chunk indexes by CID

	ending <-chan struct{} // closed when it was interrupted
	ended  chan struct{}   // closed when it has let go of the disk
}

func newTransfers() *transfers {
	return &transfers{shared: make(map[cid.Cid]*swap.Holding), running: make(map[*download]struct{})}
}

// share says that all of a root is here.
func (t *transfers) share(root cid.Cid) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shared[root] == nil {
		t.shared[root] = swap.CompleteHolding(0)
	}
}

// withdraw says that a root is not shared any more.
func (t *transfers) withdraw(root cid.Cid) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.shared[root]; h != nil {
		h.Withdraw()
		delete(t.shared, root)
	}
}

// begin notes a download that ctx interrupts; end forgets it.
func (t *transfers) begin(ctx context.Context, root cid.Cid, s *swap.Session) *download {
	d := &download{root: root, session: s, ending: ctx.Done(), ended: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running[d] = struct{}{}
	return d
}

func (t *transfers) end(d *download) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.running, d)
	if d.holding != nil {
		d.holding.Withdraw()
	}
	close(d.ended)
}

// afterInterrupted waits for a download of the root that was interrupted and is
// about to save what it has. It reports whether there was one.
func (t *transfers) afterInterrupted(ctx context.Context, root cid.Cid) bool {
	for _, d := range t.of(root) {
		select {
		case <-d.ending:
		default:
			continue
		}
		select {
		case <-d.ended:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// opened lets others have what the target holds now and from now on.
func (t *transfers) opened(d *download, target *transfer.Target) *swap.Holding {
	chunks := target.Manifest().Chunks
	order := make([]uint32, len(chunks))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return compareCids(chunks[a].Cid, chunks[b].Cid) })
	h := swap.NewHolding(len(chunks))
	have := target.Have()
	for i := range chunks {
		if have.Has(i) {
			h.Add(i)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	d.target, d.order, d.holding = target, order, h
	return h
}

// holding is what is here of a root.
func (t *transfers) holding(root cid.Cid) *swap.Holding {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.shared[root]; h != nil {
		return h
	}
	for d := range t.running {
		if d.root == root && d.holding != nil {
			return d.holding
		}
	}
	return nil
}

// holder finds a running download that has the chunk.
func (t *transfers) holder(c cid.Cid) (*download, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for d := range t.running {
		if d.target == nil {
			continue
		}
		if i, ok := d.index(c); ok && d.target.Has(i) {
			return d, i
		}
	}
	return nil, 0
}

// index finds a chunk of the download.
func (d *download) index(c cid.Cid) (int, bool) {
	chunks := d.target.Manifest().Chunks
	at, ok := slices.BinarySearchFunc(d.order, c, func(i uint32, c cid.Cid) int { return compareCids(chunks[i].Cid, c) })
	if !ok {
		return 0, false
	}
	return int(d.order[at]), true
}

// of lists the downloads of a root.
func (t *transfers) of(root cid.Cid) (list []*download) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for d := range t.running {
		if d.root == root {
			list = append(list, d)
		}
	}
	return list
}

func (t *transfers) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.running)
}

func compareCids(a, b cid.Cid) int { return strings.Compare(a.KeyString(), b.KeyString()) }

// importSink takes an import into the store.
type importSink struct {
	batch *store.Batch
}

// Node implements dag.Sink.
func (s importSink) Node(_ context.Context, c cid.Cid, data []byte) error {
	return s.batch.Put(c, data)
}

// File implements dag.Sink. The description is taken from the path, while the
// importer has the file open; both compare it again at the end.
func (s importSink) File(_ context.Context, path string, _ fs.FileInfo) (dag.FileSink, error) {
	f, err := store.StatFile(path)
	if err != nil {
		return nil, err
	}
	refs, err := s.batch.File(f)
	if err != nil {
		return nil, err
	}
	return fileSink{refs}, nil
}

type fileSink struct{ refs *store.FileRefs }

// Chunks implements dag.FileSink.
func (s fileSink) Chunks(_ context.Context, refs []dag.Ref) error {
	batch := make([]store.Ref, 0, len(refs))
	for _, r := range refs {
		batch = append(batch, store.Ref{Cid: r.Cid, Offset: r.Offset, Length: r.Size})
	}
	return s.refs.Add(batch...)
}

// Close implements dag.FileSink.
func (s fileSink) Close(err error) error {
	if err != nil {
		return s.refs.Abort()
	}
	return s.refs.Close()
}

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
	for i, c := range req.Chunks {
		if !req.Missing(i) {
			continue
		}
		data, err := f.local(ctx, c)
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
	for i, c := range req.Chunks {
		if !req.Missing(i) {
			continue
		}
		has, err := f.store.Has(c.Cid)
		if err != nil || !has {
			run = append(run, i)
			continue
		}
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
	if has, err := f.store.Has(c.Cid); err != nil || !has {
		return nil, nil
	}
	data, err := f.store.Get(ctx, c.Cid)
	if err != nil {
		return nil, ctx.Err()
	}
	if len(data) != c.Size {
		return nil, nil
	}
	return data, nil
}
