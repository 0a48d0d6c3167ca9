package swap

import (
	"sync"
	"sync/atomic"
	"time"

	"ringswap/transfer/swap/bitset"
	"ringswap/transfer/swap/pick"
	"ringswap/transfer/swap/wire"
)

// Holding is what this node has of one root, as it changes: who fetches a file
// adds chunks to it, and the server tells every peer that asked about the root.
// Chunk indexes count the unique leaves of the DAG in its order. A Holding is
// safe for concurrent use.
type Holding struct {
	mu      sync.Mutex
	have    *bitset.Set // nil if complete
	chunks  int
	log     []uint32      // chunks in the order of Add, from the first one on
	changed chan struct{} // closed and replaced by every change; nil if nobody waits
	closed  bool
	spread  *pick.Spread // nil if all that is here is named at once

	size atomic.Int64 // bytes of the root's files; 0 if not known
}

// NewHolding is the holding of a root with that many chunks, of which nothing
// is here yet. With 0 chunks, or more than wire.MaxChunks, peers are told of it
// only once it is complete.
func NewHolding(chunks int) *Holding {
	return &Holding{have: bitset.New(max(chunks, 0)), chunks: max(chunks, 0)}
}

// CompleteHolding is the holding of a root that is here to the last block;
// chunks is 0 if nobody has counted them.
func CompleteHolding(chunks int) *Holding { return &Holding{chunks: max(chunks, 0)} }

// WithSize says how many bytes the root's files have, and returns h. What others
// vouch for is bounded by it.
func (h *Holding) WithSize(bytes int64) *Holding {
	h.size.Store(bytes)
	return h
}

// Add says that chunk i is here and can be served from now on. It reports
// whether that is news.
func (h *Holding) Add(i int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.have == nil || h.closed || !h.have.Add(i) {
		return false
	}
	h.log = append(h.log, uint32(i))
	h.wake()
	return true
}

// Complete says that every block of the root is here.
func (h *Holding) Complete() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.have != nil && !h.closed {
		h.have, h.log = nil, nil
		h.wake()
	}
}

// Withdraw says that nothing of the root is to be had here any more. It is
// final.
func (h *Holding) Withdraw() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed, h.have, h.log = true, bitset.New(0), nil
		h.wake()
	}
}

// Count returns how many chunks are here, and of how many.
func (h *Holding) Count() (have, chunks int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.have == nil {
		return h.chunks, h.chunks
	}
	return h.have.Count(), h.chunks
}

// Each calls f with every chunk that is here, in order.
func (h *Holding) Each(f func(i int)) {
	h.mu.Lock()
	chunks, have := h.chunks, h.have
	if have != nil {
		have = have.Clone()
	}
	h.mu.Unlock()
	if have == nil {
		for i := range chunks {
			f(i)
		}
		return
	}
	for i := have.Next(0); i >= 0; i = have.Next(i + 1) {
		f(i)
	}
}

func (h *Holding) wake() {
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// status is h.mu held.
func (h *Holding) status() wire.Status {
	switch {
	case h.closed:
		return wire.StatusUnknown
	case h.have == nil:
		return wire.StatusComplete
	case h.have.Count() == 0 || h.chunks > wire.MaxChunks:
		return wire.StatusUnknown
	}
	return wire.StatusPartial
}

// follower is one reader of a Holding: what it was told last.
type follower struct {
	h        *Holding
	features wire.Features // that the State offers
	status   wire.Status
	seen     int // entries of the log

	whole  bool       // the peer is to be told of everything
	joined bool       // the holding's spread knows of it
	view   *pick.View // what it was told of what is spread; nil if everything
	sent   int64      // bytes that were counted for the spread
	named  time.Time  // when chunks were last named
}

// update returns what the follower's peer has to be told: frames of a whole
// state the first time and when the status changes, and otherwise Have frames
// for what was added. The channel is closed at the next change.
func (f *follower) update(b []byte, first bool) ([]byte, <-chan struct{}) {
	f.h.mu.Lock()
	defer f.h.mu.Unlock()
	if f.h.changed == nil {
		f.h.changed = make(chan struct{})
	}
	status := f.h.status()
	if status == wire.StatusComplete && f.spreads(first) {
		status = wire.StatusPartial
	}
	switch {
	case first || status != f.status:
		f.status = status
		b = f.appendState(b)
	case f.view != nil: // see name
	case status == wire.StatusPartial:
		b = appendHaves(b, f.h.log[f.seen:])
	}
	f.seen = len(f.h.log)
	return b, f.h.changed
}

// appendState appends what the peer is told first.
func (f *follower) appendState(b []byte) []byte {
	if f.view == nil {
		return f.h.appendState(b, f.features)
	}
	return wire.State{Version: wire.Version, Features: f.features, Status: wire.StatusPartial, Chunks: uint64(f.h.chunks)}.Append(b)
}

// appendState appends State and, for a partial holding, the bitmap, without its
// empty parts.
func (h *Holding) appendState(b []byte, features wire.Features) []byte {
	status := h.status()
	b = wire.State{Version: wire.Version, Features: features, Status: status, Chunks: uint64(h.chunks)}.Append(b)
	if status != wire.StatusPartial {
		return b
	}
	for at := 0; at < len(h.have.Bytes()); at += wire.MaxBitmap {
		part := h.have.Bytes()[at:min(at+wire.MaxBitmap, len(h.have.Bytes()))]
		first := at * 8
		if i := h.have.Next(first); i < 0 || i >= first+8*len(part) {
			continue
		}
		b = wire.Bitmap{First: uint64(first), Bits: part}.Append(b)
	}
	return b
}
