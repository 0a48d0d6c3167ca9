package store

import (
	"context"
	"sync"
)

// lifetime counts running calls, so that Close can wait for them.
type lifetime struct {
	mu     sync.RWMutex
	closed bool
	calls  sync.WaitGroup
	quit   chan struct{} // closed when Close begins
}

// enter begins a call; without an error the caller owes a calls.Done.
func (l *lifetime) enter() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return ErrClosed
	}
	l.calls.Add(1)
	return nil
}

// end refuses further calls and waits for those that run. It reports whether
// it was the first.
func (l *lifetime) end() bool {
	l.mu.Lock()
	first := !l.closed
	if first {
		l.closed = true
		close(l.quit)
	}
	l.mu.Unlock()
	l.calls.Wait()
	return first
}

// bounded returns a context that also ends when the store closes.
func (l *lifetime) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := make(chan struct{})
	l.calls.Go(func() {
		select {
		case <-l.quit:
			cancel(ErrClosed)
		case <-stop:
		}
	})
	return ctx, sync.OnceFunc(func() {
		close(stop)
		cancel(nil)
	})
}
