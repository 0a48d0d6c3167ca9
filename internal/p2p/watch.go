package p2p

import (
	"context"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/nat"
	"ringswap/overlay"
)

// watchBuffer is how many libp2p events may wait while emit is busy. When it is
// full, libp2p's own services wait as well.
const watchBuffer = 256

// Watch tells a machine about the world until ctx ends, and returns nil then:
//
//   - overlay.Seen when a connected peer is known to offer this protocol, and
//     overlay.Gone when a peer is known not to offer it any more. The end of a
//     connection is neither.
//   - overlay.SelfChanged when this node's own addresses, or its being a
//     server, change; the first at once. Offer follows.
//
// emit is called by one goroutine at a time and must be quick.
//
// The node is a server unless its configuration makes it a client, or nodes
// outside were seen to be unable to connect to it while some are connected: on
// a LAN or one machine, where nobody outside ever asks, everyone serves.
func (t *Transport) Watch(ctx context.Context, emit func(overlay.Event)) error {
	sub, err := t.host.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted),
		new(event.EvtPeerProtocolsUpdated),
		new(event.EvtLocalAddressesUpdated),
		new(nat.VerdictChanged),
	}, eventbus.Name("overlay "+string(t.cfg.Protocol)), eventbus.BufSize(watchBuffer))
	if err != nil {
		return fmt.Errorf("p2p: watch the host: %w", err)
	}
	defer func() { _ = sub.Close() }() // always nil
	w := watch{t: t, emit: emit}
	w.self()
	for _, p := range t.host.Network().Peers() {
		if known, err := t.host.Peerstore().SupportsProtocols(p, t.cfg.Protocol); err == nil && len(known) > 0 {
			w.seen(p)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev, ok := <-sub.Out():
			if !ok {
				return nil
			}
			w.event(ev)
		}
	}
}

// watch is the state of one Watch.
type watch struct {
	t    *Transport
	emit func(overlay.Event)

	verdict nat.VerdictChanged
	told    overlay.SelfChanged
	once    bool
}

func (w *watch) event(ev any) {
	switch ev := ev.(type) {
	case event.EvtPeerIdentificationCompleted:
		if slices.Contains(ev.Protocols, w.t.cfg.Protocol) {
			w.seen(ev.Peer)
		} else {
			w.emit(overlay.Gone{Peer: ev.Peer})
		}
	case event.EvtPeerProtocolsUpdated:
		switch {
		case slices.Contains(ev.Added, w.t.cfg.Protocol):
			w.seen(ev.Peer)
		case slices.Contains(ev.Removed, w.t.cfg.Protocol):
			w.emit(overlay.Gone{Peer: ev.Peer})
		}
	case event.EvtLocalAddressesUpdated:
		w.self()
	case nat.VerdictChanged:
		w.verdict = ev
		w.self()
	}
}

// seen reports a peer with the addresses it says it has. A peer that has none
// cannot be reached again and is of no use to others.
func (w *watch) seen(p peer.ID) {
	host := w.t.host
	if p == host.ID() || host.Network().Connectedness(p) == network.NotConnected {
		return
	}
	if addrs := host.Peerstore().Addrs(p); len(addrs) > 0 {
		w.emit(overlay.Seen{Contact: overlay.NewContact(p, addrs...)})
	}
}

// self reports this node if it has changed.
func (w *watch) self() {
	now := overlay.SelfChanged{
		Addrs:  w.t.host.Addrs(),
		Server: servesWith(w.t.cfg.Client, w.verdict),
	}
	if w.once && now.Server == w.told.Server && slices.EqualFunc(now.Addrs, w.told.Addrs, ma.Multiaddr.Equal) {
		return
	}
	w.once, w.told = true, now
	w.t.Offer(now.Server)
	w.emit(now)
}

// servesWith decides whether a node answers requests.
func servesWith(client bool, v nat.VerdictChanged) bool {
	if client {
		return false
	}
	unreachable := v.Verdict.State == nat.Private || v.Verdict.State == nat.Relayed
	return !unreachable || !v.PublicPeers
}
