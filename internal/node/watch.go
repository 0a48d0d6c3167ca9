package node

import (
	"context"
	"sync"
	"time"

	"ringswap/transfer"
)

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
