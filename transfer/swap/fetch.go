package swap

import (
	"context"
	"fmt"

	"ringswap/blockhash"
	"ringswap/transfer/dag"
	"ringswap/transfer/swap/bitset"
	"ringswap/transfer/swap/wire"

	"github.com/ipfs/go-cid"
)

// Deliver takes a verified block. data is valid only until it returns. An error
// ends the fetch, which returns it.
type Deliver func(i int, data []byte) error

// ChunkFetch is what FetchChunks is to fetch.
type ChunkFetch struct {
	// Chunks are all unique leaves of the root's DAG, in its order: what peers
	// say they have counts in them.
	Chunks []dag.Chunk
	// Missing says which of them to fetch; nil means all.
	Missing func(i int) bool
	// Order is the order of asking. In Sequential order Deliver is called for one
	// chunk at a time, in their order; in Rarest order for several chunks at a
	// time, in any order.
	Order   Order
	Deliver Deliver
}

// job is a running fetch. The session's lock guards all but the first fields.
type job struct {
	id      int
	chunks  []dag.Chunk
	todo    *bitset.Set // to be delivered
	leaves  bool        // not inner blocks
	order   Order
	deliver Deliver

	finished int // blocks delivered
	busy     int // workers that hold a block of it
	ended    bool
	released bool
	err      error
	done     chan struct{} // closed when it has ended and no worker is busy

	// In Sequential order, verified blocks wait here for their turn.
	ready   map[int]*arrival
	next    int
	handing bool
}

// FetchChunks fetches, verifies and delivers chunks. It returns when all are
// delivered, or with the first error of Deliver, ErrNoProviders, ErrClosed or
// ctx's error; nothing is delivered after it has returned.
func (s *Session) FetchChunks(ctx context.Context, f ChunkFetch) error {
	todo, sizes := bitset.New(len(f.Chunks)), make([]int, len(f.Chunks))
	for i, c := range f.Chunks {
		if f.Missing != nil && !f.Missing(i) {
			continue
		}
		if err := blockhash.Check(c.Cid); err != nil {
			return fmt.Errorf("swap: chunk %d: %w", i, err)
		}
		if c.Size < 0 || c.Size > wire.MaxBlock {
			return fmt.Errorf("swap: chunk %d has %d bytes", i, c.Size)
		}
		sizes[i] = c.Size
		todo.Add(i)
	}
	s.cfg.Ledger.sized(s.root, f.Chunks)
	return s.fetch(ctx, &job{chunks: f.Chunks, leaves: true, order: f.Order, deliver: f.Deliver}, sizes, todo, true)
}

// Blocks fetches, verifies and delivers the blocks of cids, which are distinct
// and whose sizes need not be known; they go before any chunk. each is called
// for several at a time, in any order, and not after Blocks has returned. The
// errors are those of FetchChunks.
func (s *Session) Blocks(ctx context.Context, cids []cid.Cid, each func(i int, data []byte) error) error {
	todo, chunks := bitset.New(len(cids)), make([]dag.Chunk, len(cids))
	for i, c := range cids {
		if err := blockhash.Check(c); err != nil {
			return fmt.Errorf("swap: %w", err)
		}
		chunks[i].Cid = c
		todo.Add(i)
	}
	return s.fetch(ctx, &job{chunks: chunks, deliver: each}, make([]int, len(cids)), todo, false)
}

// Fetch returns the block of c, of at most wire.MaxBlock bytes. It belongs to
// the caller.
func (s *Session) Fetch(ctx context.Context, c cid.Cid) ([]byte, error) {
	var out []byte
	err := s.Blocks(ctx, []cid.Cid{c}, func(_ int, data []byte) error {
		out = append(make([]byte, 0, len(data)), data...)
		return nil
	})
	return out, err
}

func (s *Session) fetch(ctx context.Context, j *job, sizes []int, todo *bitset.Set, chunks bool) error {
	j.done, j.ready = make(chan struct{}), make(map[int]*arrival)
	if err := j.deliverLocal(todo, chunks); err != nil || todo.Count() == 0 {
		return err
	}
	j.todo = todo.Clone()
	j.next = todo.Next(0)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	j.id = s.picker.AddJob(sizes, todo, j.order, chunks)
	s.jobs[j.id] = j
	s.pump()
	s.mu.Unlock()

	select {
	case <-j.done:
	case <-ctx.Done():
		s.mu.Lock()
		s.endJob(j, ctx.Err())
		s.mu.Unlock()
		<-j.done
	}
	return j.err
}

// deliverLocal delivers what needs no peer: blocks whose CID holds their bytes,
// and empty chunks.
func (j *job) deliverLocal(todo *bitset.Set, chunks bool) error {
	for i := todo.Next(0); i >= 0; i = todo.Next(i + 1) {
		c := j.chunks[i]
		var data []byte
		if name, err := blockhash.Of(c.Cid); err == nil && name.Identity() {
			data = []byte(name.Digest)
		} else if !chunks || c.Size != 0 {
			continue
		}
		if err := blockhash.Verify(c.Cid, data); err != nil {
			return fmt.Errorf("swap: %w", err)
		}
		if err := j.deliver(i, data); err != nil {
			return err
		}
		todo.Remove(i)
	}
	return nil
}

// endJob ends j; err is nil if everything is delivered. s.mu is held.
func (s *Session) endJob(j *job, err error) {
	if j.ended {
		return
	}
	j.ended, j.err = true, err
	if delete(s.jobs, j.id); err == nil && j.leaves && len(s.jobs) == 0 {
		signal(s.thank)
	}
	s.picker.EndJob(j.id)
	for key, v := range s.in.arrivals {
		if key.Job != j.id {
			continue
		}
		s.in.forget(v)
		if !v.busy { // else the worker frees it
			v.discard(-1, &s.in.buffers)
		}
	}
	s.release(j)
	if !s.closed {
		s.pump()
	}
}

// release lets the waiter of an ended job go once no worker is busy with it.
func (s *Session) release(j *job) {
	if j.ended && j.busy == 0 && !j.released {
		j.released = true
		close(j.done)
	}
}
