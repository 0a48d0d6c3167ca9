package p2p

import (
	"context"
	"sync"
)

// running keeps track of work in progress so that its owner can end it: close
// cancels the context of everything that runs and waits for it.
type running struct {
	mu      sync.Mutex
	closed  bool
	next    uint64
	cancels map[uint64]context.CancelFunc
	wg      sync.WaitGroup
}

// start begins a piece of work. It returns false after close. done ends it and
// must be called; the context then ends as well.
func (r *running) start(parent context.Context) (ctx context.Context, done func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, false
	}
	ctx, cancel := context.WithCancel(parent)
	if r.cancels == nil {
		r.cancels = make(map[uint64]context.CancelFunc)
	}
	id := r.next
	r.next++
	r.cancels[id] = cancel
	r.wg.Add(1)
	return ctx, func() {
		r.mu.Lock()
		delete(r.cancels, id)
		r.mu.Unlock()
		cancel()
		r.wg.Done()
	}, true
}

// isClosed reports whether close was called.
func (r *running) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// close cancels all work and waits until it is done.
func (r *running) close() {
	r.mu.Lock()
	r.closed = true
	for _, cancel := range r.cancels {
		cancel()
	}
	r.mu.Unlock()
	r.wg.Wait()
}
