package node

import (
	"context"
	"iter"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Identity implements [Service].
func (n *Node) Identity(context.Context) (Identity, error) {
	return Identity{
		ID: n.net.host.ID().String(), Addrs: texts(n.fullAddrs()),
		Overlay: n.cfg.Overlay, Network: n.cfg.Network, Version: Version(),
	}, nil
}

// fullAddrs are the node's addresses with its peer ID.
func (n *Node) fullAddrs() []ma.Multiaddr {
	full, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: n.net.host.ID(), Addrs: n.net.host.Addrs()})
	if err != nil {
		return nil // cannot happen: the host's own ID is valid
	}
	return full
}

// Status implements [Service].
func (n *Node) Status(ctx context.Context) (Status, error) {
	id, err := n.Identity(ctx)
	if err != nil {
		return Status{}, err
	}
	verdict, _ := n.net.host.Reachability()
	moved := n.meter.Totals()
	s := Status{
		Identity: id, Repo: n.cfg.Repo, UptimeSeconds: time.Since(n.started).Seconds(),
		Peers:        len(n.net.host.Network().Peers()),
		Reachability: string(verdict.State), Why: verdict.Reasons,
		Transfers: n.transfers.count(), Waiting: n.steering.waiting(), Settings: n.steering.settings(),
		BytesIn: moved.Received, BytesOut: moved.Sent,
		RateIn: float64(n.meter.rateIn.Load()), RateOut: float64(n.meter.rateOut.Load()),
		Notices: n.notices.all(),
	}
	if err := n.net.inspect(ctx, func(o routing) { s.TablePeers, s.OverlayServer = o.role() }); err != nil {
		return Status{}, failure(KindFailed, err, "", "the overlay does not answer")
	}
	if s.TablePeers == 0 {
		if why, try := n.strangers(); why != "" {
			s.Notices = append(s.Notices, why+"; try: "+try)
		}
	}
	if s.Refused, err = n.refusals(ctx); err != nil {
		return Status{}, err
	}
	return s, n.storeStatus(ctx, &s)
}

// Connections implements [Service].
func (n *Node) Connections(ctx context.Context) ([]Connection, error) {
	inTable := make(map[peer.ID]bool)
	if err := n.net.inspect(ctx, func(o routing) {
		for _, c := range o.Contacts() {
			inTable[c.Peer] = true
		}
	}); err != nil {
		return nil, failure(KindFailed, err, "", "the overlay does not answer")
	}
	conns := []Connection{}
	for _, c := range n.net.host.Conns() {
		conns = append(conns, Connection{
			ID: c.Peer.String(), Addr: c.Addr.String(), Direction: direction(c.Inbound), Path: route(c.Relayed),
			Transport: c.Transport, Seconds: time.Since(c.Opened).Seconds(), RTT: ms(c.Latency),
			Streams: c.Streams, Overlay: inTable[c.Peer], LAN: n.neighbours.has(c.Peer), Agent: c.Agent,
		})
	}
	return conns, nil
}

func direction(inbound bool) string {
	if inbound {
		return "inbound"
	}
	return "outbound"
}

func route(relayed bool) string {
	if relayed {
		return "relay"
	}
	return "direct"
}

// Activity implements [Service].
func (n *Node) Activity(ctx context.Context) iter.Seq2[Activity, error] {
	return func(yield func(Activity, error) bool) {
		for {
			serving := make(map[peer.ID]bool)
			for _, u := range n.server.Uploads() {
				if u.Wants > 0 {
					serving[u.Peer] = true
				}
			}
			moved := n.meter.Totals()
			a := Activity{
				Peers: len(n.net.host.Network().Peers()), Serving: len(serving), Fetching: n.transfers.count(),
				RateIn: float64(n.meter.rateIn.Load()), RateOut: float64(n.meter.rateOut.Load()),
				BytesIn: moved.Received, BytesOut: moved.Sent,
			}
			if !yield(a, nil) || !pause(ctx, time.Second) {
				return
			}
		}
	}
}
