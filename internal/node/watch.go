package node

import (
	"context"
	"sync"
	"time"

	"ringswap/transfer"
	"ringswap/transfer/swap"
	"ringswap/transfer/swap/wire"
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
		looked, note := time.Time{}, ""
		for {
			p := f.progress()
			if time.Since(looked) >= noteEvery {
				looked, note = time.Now(), f.note(ctx)
			}
			p.Note = note
			progress(p)
			if !pause(ctx, paceInterval) {
				return
			}
		}
	})
	return w
}

// noteEvery is how often it is looked why a transfer does not come forward, and
// notePatience for how long it must not have done so.
const (
	noteEvery    = time.Second
	notePatience = 3 * time.Second
)

// note is what a person should know who waits: why nothing comes.
func (f *fetch) note(ctx context.Context) string {
	session := f.storeBlocks.session
	if since := session.State().Starving; !since.IsZero() {
		if time.Since(since) > notePatience {
			return f.node.lookingNote(ctx)
		}
		return ""
	}
	holders, waiting := 0, 0
	for _, p := range session.Peers() {
		if p.Status != swap.PeerConnected || !p.Complete && p.Chunks == 0 {
			continue
		}
		holders++
		if p.Choke != nil && p.Choke.Reason == wire.ChokeCredit {
			waiting++
		}
	}
	switch {
	case holders == 0 || waiting < holders:
		return ""
	case f.node.steering.settings().LimitUp == ServeNobody:
		return "those who have it serve first who gives, and this node serves nobody; to change that: peer limit --up 0"
	}
	return "those who have it serve first who gives; this node gets more as it gives what it has"
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
