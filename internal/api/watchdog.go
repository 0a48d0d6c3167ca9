package api

import (
	"io"
	"sync/atomic"
	"time"
)

// watchdog reports a stream that stays silent for maxSilent ticks while someone
// waits for it. It counts ticks instead of time, so that a machine that slept,
// or a client that was suspended, does not take its own absence for the
// other's; and a reader that is busy elsewhere is not waiting.
type watchdog struct {
	waiting atomic.Bool
	silent  atomic.Int32
	quit    chan struct{}
	done    chan struct{}
}

// watch starts a watchdog, with somebody waiting. The caller must stop it.
func watch(every time.Duration, bark func()) *watchdog {
	w := &watchdog{quit: make(chan struct{}), done: make(chan struct{})}
	w.waiting.Store(true)
	go func() {
		defer close(w.done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-w.quit:
				return
			case <-tick.C:
				if w.waiting.Load() && w.silent.Add(1) > maxSilent {
					bark()
					return
				}
			}
		}
	}()
	return w
}

// heard ends a wait.
func (w *watchdog) heard() {
	w.waiting.Store(false)
	w.silent.Store(0)
}

func (w *watchdog) stop() {
	close(w.quit)
	<-w.done
}

// watched is a reader that the watchdog watches.
type watched struct {
	r io.Reader
	w *watchdog
}

func (r watched) Read(p []byte) (int, error) {
	r.w.waiting.Store(true)
	defer r.w.heard()
	return r.r.Read(p)
}
