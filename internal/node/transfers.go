package node

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ipfs/go-cid"

	"ringswap/transfer"
	"ringswap/transfer/dag"
	"ringswap/transfer/swap"
)

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
	holding *swap.Holding    // nil until the manifest is known, and for what is not served; of the root's chunks
	target  *transfer.Target // likewise; nil also for what goes into the store
	order   []uint32         // chunk indexes by CID

	ending <-chan struct{} // closed when it was interrupted
	ended  chan struct{}   // closed when it has let go of the disk
}

func newTransfers() *transfers {
	return &transfers{shared: make(map[cid.Cid]*swap.Holding), running: make(map[*download]struct{})}
}

// share says that all of a root is here; size is that of its files in bytes, 0 if
// not known.
func (t *transfers) share(root cid.Cid, size int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shared[root] == nil {
		t.shared[root] = swap.CompleteHolding(0).WithSize(size)
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

// serves reports whether peers get all of a root here.
func (t *transfers) serves(root cid.Cid) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shared[root] != nil
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

// opened lets others have what the target holds now and from now on: of is what it is
// all or a part of.
func (t *transfers) opened(d *download, target *transfer.Target, of transfer.Whole) *swap.Holding {
	chunks := target.Manifest().Chunks
	order := make([]uint32, len(chunks))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return compareCids(chunks[a].Cid, chunks[b].Cid) })
	h := swap.NewHolding(of.Chunks).WithSize(of.Size)
	have := target.Have()
	for i := range chunks {
		if have.Has(i) {
			h.Add(of.Index(i))
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	d.target, d.order, d.holding = target, order, h
	return h
}

// stored lets others have what a download puts into the store.
func (t *transfers) stored(d *download, m *dag.Manifest) *swap.Holding {
	h := swap.NewHolding(len(m.Chunks)).WithSize(m.Size)
	t.mu.Lock()
	defer t.mu.Unlock()
	d.holding = h
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

// received is what came from every peer in the downloads that run, in bytes.
func (t *transfers) received() map[pair]int64 {
	t.mu.Lock()
	running := slices.Collect(maps.Keys(t.running))
	t.mu.Unlock()
	sums := make(map[pair]int64)
	for _, d := range running {
		for _, p := range d.session.Peers() {
			sums[pair{d.root, p.ID}] += p.Received
		}
	}
	return sums
}

func (t *transfers) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.running)
}

func compareCids(a, b cid.Cid) int { return strings.Compare(a.KeyString(), b.KeyString()) }
