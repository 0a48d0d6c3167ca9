package swap

import (
	"context"
	"time"

	"ringswap/transfer/swap/wire"

	"github.com/ipfs/go-cid"
)

// news is what the writer of an upstream tells its peer unasked: what is here
// of the root, at first and whenever it changes.
type news struct {
	u        *upstream
	f        *follower // nil if nothing of the root is known here
	told     bool
	closed   bool            // the peer was last told that nobody is served
	changed  <-chan struct{} // closed when f has news; nil while news must wait
	rate     <-chan struct{} // closed when a limit of the server changes
	timer    *time.Timer     // ends the wait
	earliest time.Time       // for the next Have
	gossip   *time.Timer     // when the peer is told of other members
	root     cid.Cid
	whole    bool // the peer reads in order
}

func (u *upstream) newNews() *news {
	n := &news{u: u, timer: time.NewTimer(time.Hour)}
	n.timer.Stop()
	u.mu.Lock()
	root, both := u.root, u.both
	u.mu.Unlock()
	n.root, n.whole = root, both&wire.FeatureOrder != 0
	n.gossip = time.NewTimer(about(gossipFirst))
	if both&wire.FeaturePeers == 0 {
		n.gossip.Stop()
	}
	return n
}

func (n *news) close() {
	n.timer.Stop()
	n.gossip.Stop()
	if n.f != nil {
		n.f.leave()
	}
}

// tell tells the peer of other members.
func (n *news) tell(ctx context.Context) error {
	n.gossip.Reset(about(gossipEvery))
	if members := n.u.srv.cfg.Gossip.Tell(n.root, n.u.peer); len(members) > 0 {
		return n.u.put(ctx, wire.NewPeers(members).Append(nil))
	}
	return nil
}

// lookEvery is how often it is looked whether a root is here of which nothing was.
const lookEvery = time.Second

// follow turns to what is here of the root now. It reports whether that is
// another holding than before: a download that has just begun, or the complete
// file after the download.
func (n *news) follow() bool {
	h := n.u.srv.src.Swarm(n.root)
	switch {
	case h == nil:
		n.timer.Reset(lookEvery)
		return false
	case n.f != nil && n.f.h == h:
		return false
	}
	n.f = &follower{h: h, features: n.u.srv.features(), whole: n.whole}
	return true
}

// take appends the frames that are due to b.
func (n *news) take(b []byte) []byte {
	n.rate = n.u.srv.throttle.changes()
	closed := n.u.srv.servesNobody(n.root)
	first := n.follow() || !n.told || closed != n.closed
	n.told, n.closed = true, closed
	if n.f == nil || closed {
		n.changed = nil
		if first {
			b = wire.State{Version: wire.Version, Features: n.u.srv.features()}.Append(b)
		}
		return b
	}
	now := time.Now()
	if wait := n.earliest.Sub(now); !first && wait > 0 {
		n.changed = nil
		n.timer.Reset(wait)
		return b
	}
	before := len(b)
	status := n.f.status
	b, n.changed = n.f.update(b, first)
	if first || n.f.status != status {
		n.u.srv.cfg.Ledger.holds(n.root, n.f.h.size.Load(), n.f.complete())
	}
	if n.f.joined {
		sent, dry := n.u.taken()
		b = n.f.name(b, now, sent, dry)
		if n.f.spreading() {
			n.timer.Reset(spreadIdle)
		}
	}
	if len(b) > before && !first {
		n.earliest = now.Add(haveEvery)
	}
	return b
}
