package p2p

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Conn is a connection as people want to see it.
type Conn struct {
	Peer peer.ID
	// Addr is the other end's address, Local ours.
	Addr, Local ma.Multiaddr
	// Inbound says that the other side opened it.
	Inbound bool
	Opened  time.Time
	// Transport is "tcp" or "quic-v1", also beneath a relay; Security is empty
	// for QUIC, which brings its own.
	Transport, Security string
	// Relayed says that a relay passes the bytes on.
	Relayed bool
	// Streams is the number of open streams, Protocols what they are used for,
	// each once.
	Streams   int
	Protocols []string
	// Agent is what the peer calls itself: its own claim.
	Agent string
	// Latency is a moving average of the round trip; 0 if not measured.
	Latency time.Duration
	// In and Out are the bytes of the streams with this peer, over all its
	// connections since the start, and InRate and OutRate bytes a second now.
	In, Out         int64
	InRate, OutRate float64
}

// Traffic is the bytes of all streams since the start, and per second now.
type Traffic struct {
	In, Out         int64
	InRate, OutRate float64
}

// Traffic returns what the host has moved.
func (h *Host) Traffic() Traffic {
	s := h.bandwidth.GetBandwidthTotals()
	return Traffic{In: s.TotalIn, Out: s.TotalOut, InRate: s.RateIn, OutRate: s.RateOut}
}

// Conns lists the open connections, the oldest first.
func (h *Host) Conns() []Conn {
	var out []Conn
	for _, c := range h.Network().Conns() {
		out = append(out, h.describe(c))
	}
	slices.SortFunc(out, func(a, b Conn) int {
		return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.Peer, b.Peer))
	})
	return out
}

func (h *Host) describe(c network.Conn) Conn {
	p := c.RemotePeer()
	state, stat := c.ConnState(), c.Stat()
	moved := h.bandwidth.GetBandwidthForPeer(p)
	conn := Conn{
		Peer:      p,
		Addr:      c.RemoteMultiaddr(),
		Local:     c.LocalMultiaddr(),
		Inbound:   stat.Direction == network.DirInbound,
		Opened:    stat.Opened,
		Transport: state.Transport,
		Security:  string(state.Security),
		Relayed:   isRelayAddr(c.RemoteMultiaddr()),
		Latency:   h.Peerstore().LatencyEWMA(p),
		In:        moved.TotalIn, Out: moved.TotalOut,
		InRate: moved.RateIn, OutRate: moved.RateOut,
	}
	if agent, err := h.Peerstore().Get(p, "AgentVersion"); err == nil {
		conn.Agent, _ = agent.(string)
	}
	for _, s := range c.GetStreams() {
		conn.Streams++
		if id := string(s.Protocol()); id != "" {
			conn.Protocols = append(conn.Protocols, id)
		}
	}
	slices.Sort(conn.Protocols)
	conn.Protocols = slices.Compact(conn.Protocols)
	return conn
}
