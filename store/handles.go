package store

import (
	"container/list"
	"os"
	"sync"
	"time"
)

// handles keeps a bounded number of files open between reads. A handle that is
// in use is never closed under its user; one that is unused is closed when
// others need its place, when it was idle for long, or when it is forgotten.
type handles[T any] struct {
	limit int
	idle  time.Duration // 0: handles do not close for being idle

	mu     sync.Mutex
	open   map[uint64]*handle[T]
	lru    *list.List // of *handle[T], unused ones and used ones, latest first
	forgot uint64     // counts forget calls
	timer  *time.Timer
	closed bool
}

// handle is an open file. Its fields but f and info belong to handles.
type handle[T any] struct {
	f    *os.File
	info T

	key   uint64
	uses  int
	last  time.Time
	place *list.Element // nil once it is forgotten
	after func()        // called when a forgotten handle has been closed
}

func newHandles[T any](limit int, idle time.Duration) *handles[T] {
	return &handles[T]{limit: limit, idle: idle, open: map[uint64]*handle[T]{}, lru: list.New()}
}

// acquire returns the handle of key, opening it if need be. The caller owes a
// release.
func (h *handles[T]) acquire(key uint64, open func() (*os.File, T, error)) (*handle[T], error) {
	h.mu.Lock()
	if x := h.open[key]; x != nil {
		x.uses++
		h.lru.MoveToFront(x.place)
		h.mu.Unlock()
		return x, nil
	}
	forgot := h.forgot
	h.mu.Unlock()

	f, info, err := open()
	if err != nil {
		return nil, err
	}
	x := &handle[T]{f: f, info: info, key: key, uses: 1}
	h.mu.Lock()
	if y := h.open[key]; y != nil { // another reader was faster
		y.uses++
		h.mu.Unlock()
		_ = f.Close()
		return y, nil
	}
	var surplus []*os.File
	// What was opened before a forget may be what was to be forgotten: use it
	// this once only.
	if !h.closed && forgot == h.forgot {
		h.open[key] = x
		x.place = h.lru.PushFront(x)
		surplus = h.shrink()
	}
	h.mu.Unlock()
	closeAll(surplus)
	return x, nil
}

// release gives a handle back.
func (h *handles[T]) release(x *handle[T]) {
	h.mu.Lock()
	x.uses--
	if x.uses > 0 {
		h.mu.Unlock()
		return
	}
	if x.place == nil {
		h.mu.Unlock()
		x.close()
		return
	}
	surplus := h.shrink()
	if h.idle > 0 {
		x.last = time.Now()
		if h.timer == nil && !h.closed {
			h.timer = time.AfterFunc(h.idle, h.sweep)
		}
	}
	h.mu.Unlock()
	closeAll(surplus)
}

// forget makes the store stop using the file of key; after, if not nil, is
// called once it is closed.
func (h *handles[T]) forget(key uint64, after func()) {
	h.mu.Lock()
	h.forgot++
	x := h.open[key]
	if x == nil {
		h.mu.Unlock()
		if after != nil {
			after()
		}
		return
	}
	x.after = after
	h.unlist(x)
	idle := x.uses == 0
	h.mu.Unlock()
	if idle {
		x.close()
	}
}

// sweep closes what has been unused for long, and comes again while anything
// is open.
func (h *handles[T]) sweep() {
	now := time.Now()
	h.mu.Lock()
	var old []*os.File
	for e := h.lru.Back(); e != nil; {
		x, prev := e.Value.(*handle[T]), e.Prev()
		if x.uses == 0 && now.Sub(x.last) >= h.idle {
			h.unlist(x)
			old = append(old, x.f)
		}
		e = prev
	}
	h.timer = nil
	if len(h.open) > 0 && !h.closed {
		h.timer = time.AfterFunc(h.idle, h.sweep)
	}
	h.mu.Unlock()
	closeAll(old)
}

// shrink takes unused handles beyond the limit off the list, least recently
// used first; the caller closes them.
func (h *handles[T]) shrink() (surplus []*os.File) {
	for e := h.lru.Back(); e != nil && len(h.open) > h.limit; {
		x, prev := e.Value.(*handle[T]), e.Prev()
		if x.uses == 0 {
			h.unlist(x)
			surplus = append(surplus, x.f)
		}
		e = prev
	}
	return surplus
}

func (h *handles[T]) unlist(x *handle[T]) {
	delete(h.open, x.key)
	h.lru.Remove(x.place)
	x.place = nil
}

// close closes everything that is not in use; what is in use closes with its
// release.
func (h *handles[T]) close() {
	h.mu.Lock()
	h.closed = true
	if h.timer != nil {
		h.timer.Stop()
	}
	var all []*os.File
	for _, x := range h.open {
		if x.uses == 0 {
			all = append(all, x.f)
		}
		x.place = nil
	}
	clear(h.open)
	h.lru.Init()
	h.mu.Unlock()
	closeAll(all)
}

func (x *handle[T]) close() {
	_ = x.f.Close() // opened for reading only: nothing can be lost
	if x.after != nil {
		x.after()
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // opened for reading only: nothing can be lost
	}
}
