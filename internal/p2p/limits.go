package p2p

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p"
	coreconnmgr "github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/prometheus/client_golang/prometheus"
)

// Limits bound what strangers can make this node hold. A zero field means its
// value in [DefaultLimits].
type Limits struct {
	// ConnsLow and ConnsHigh are the watermarks of the connection manager: above
	// ConnsHigh it closes the least useful connections until ConnsLow are left.
	ConnsLow, ConnsHigh int
	// ConnGrace is how long a new connection is safe from that.
	ConnGrace time.Duration
	// ConnsMax is the number of connections, either way, above which new ones are
	// refused.
	ConnsMax int
	// ConnsPerIP is the number of connections from one IPv4 address or one IPv6
	// /56 outside the local network.
	ConnsPerIP int
	// StreamsMax is the number of streams in the whole process, StreamsPerPeer of
	// one peer, each way.
	StreamsMax, StreamsPerPeer int
	// Memory is how many bytes of receive buffers may be promised to all peers
	// together, MemoryPerPeer to one. A stream counts 256 KiB as soon as it is
	// open, though it uses that only while its reader lags behind; windows grow
	// beyond that only while less than half is promised.
	Memory, MemoryPerPeer int64
	// StreamWindow is the most bytes a sender may be ahead of the reader of one
	// stream over TCP. Throughput is at most StreamWindow per round trip.
	StreamWindow uint32
}

// DefaultLimits suit a laptop: a home router's NAT table, 60 MiB resident when
// idle, and an uplink that a few streams fill.
func DefaultLimits() Limits {
	return Limits{
		ConnsLow:       80,
		ConnsHigh:      160,
		ConnGrace:      30 * time.Second,
		ConnsMax:       384,
		ConnsPerIP:     32,
		StreamsMax:     2048,
		StreamsPerPeer: 256,
		Memory:         192 << 20,
		MemoryPerPeer:  48 << 20,
		StreamWindow:   8 << 20,
	}
}

// minStreamWindow is where every yamux stream starts (yamux specification,
// "Flow Control").
const minStreamWindow = 256 << 10

// Validate reports the first limit that contradicts another.
func (l Limits) Validate() error {
	l = l.withDefaults()
	switch {
	case l.ConnsLow < 1 || l.ConnsHigh < l.ConnsLow || l.ConnsMax < l.ConnsHigh:
		return fmt.Errorf("p2p: connection limits must rise: low %d, high %d, max %d", l.ConnsLow, l.ConnsHigh, l.ConnsMax)
	case l.ConnsPerIP < 1:
		return fmt.Errorf("p2p: %d connections per address allow nobody in", l.ConnsPerIP)
	case l.StreamsPerPeer < 1 || l.StreamsMax < l.StreamsPerPeer:
		return fmt.Errorf("p2p: stream limits must rise: per peer %d, in total %d", l.StreamsPerPeer, l.StreamsMax)
	case l.StreamWindow < minStreamWindow:
		return fmt.Errorf("p2p: a stream window of %d bytes is below the %d that every stream starts with", l.StreamWindow, minStreamWindow)
	case l.MemoryPerPeer < int64(l.StreamWindow) || l.Memory < l.MemoryPerPeer:
		return fmt.Errorf("p2p: memory limits must rise: stream window %d, per peer %d, in total %d", l.StreamWindow, l.MemoryPerPeer, l.Memory)
	case l.ConnGrace < 0:
		return fmt.Errorf("p2p: the grace period %v is negative", l.ConnGrace)
	}
	return nil
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	orInt := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	orInt(&l.ConnsLow, d.ConnsLow)
	orInt(&l.ConnsHigh, d.ConnsHigh)
	orInt(&l.ConnsMax, d.ConnsMax)
	orInt(&l.ConnsPerIP, d.ConnsPerIP)
	orInt(&l.StreamsMax, d.StreamsMax)
	orInt(&l.StreamsPerPeer, d.StreamsPerPeer)
	if l.ConnGrace == 0 {
		l.ConnGrace = d.ConnGrace
	}
	if l.Memory == 0 {
		l.Memory = d.Memory
	}
	if l.MemoryPerPeer == 0 {
		l.MemoryPerPeer = d.MemoryPerPeer
	}
	if l.StreamWindow == 0 {
		l.StreamWindow = d.StreamWindow
	}
	return l
}

// resourceManager turns the limits into libp2p's, keeping libp2p's own limits
// for its own services (identify, ping, AutoNAT, relay, hole punching).
func (l Limits) resourceManager(metrics prometheus.Registerer) (network.ResourceManager, error) {
	base := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&base)
	all := rcmgr.ResourceLimits{
		Conns: rcmgr.LimitVal(l.ConnsMax), ConnsInbound: rcmgr.LimitVal(l.ConnsMax), ConnsOutbound: rcmgr.LimitVal(l.ConnsMax),
		FD:      rcmgr.LimitVal(l.ConnsMax),
		Streams: rcmgr.LimitVal(l.StreamsMax), StreamsInbound: rcmgr.LimitVal(l.StreamsMax), StreamsOutbound: rcmgr.LimitVal(l.StreamsMax),
		Memory: rcmgr.LimitVal64(l.Memory),
	}
	// Connections that have not said who they are yet: a quarter of everything.
	transient := rcmgr.ResourceLimits{
		Conns: rcmgr.LimitVal(l.ConnsMax / 4), ConnsInbound: rcmgr.LimitVal(l.ConnsMax / 4), ConnsOutbound: rcmgr.LimitVal(l.ConnsMax / 4),
		FD:      rcmgr.LimitVal(l.ConnsMax / 4),
		Streams: rcmgr.LimitVal(l.StreamsMax / 4), StreamsInbound: rcmgr.LimitVal(l.StreamsMax / 4), StreamsOutbound: rcmgr.LimitVal(l.StreamsMax / 4),
		Memory: rcmgr.LimitVal64(l.Memory / 4),
	}
	perPeer := rcmgr.ResourceLimits{
		Streams: rcmgr.LimitVal(2 * l.StreamsPerPeer), StreamsInbound: rcmgr.LimitVal(l.StreamsPerPeer), StreamsOutbound: rcmgr.LimitVal(l.StreamsPerPeer),
		Memory: rcmgr.LimitVal64(l.MemoryPerPeer),
	}
	// A protocol may use all that its peer, and the process, may use: the
	// protocols here bound themselves.
	limits := rcmgr.PartialLimitConfig{
		System:               all,
		AllowlistedSystem:    all,
		Transient:            transient,
		AllowlistedTransient: transient,
		ServiceDefault:       all,
		ServicePeerDefault:   perPeer,
		ProtocolDefault:      all,
		ProtocolPeerDefault:  perPeer,
		PeerDefault:          perPeer,
		Conn:                 rcmgr.ResourceLimits{Memory: rcmgr.LimitVal64(l.MemoryPerPeer)},
		Stream:               rcmgr.ResourceLimits{Memory: rcmgr.LimitVal64(l.MemoryPerPeer)},
	}.Build(base.Scale(0, 0))

	local4, local6 := localNetworks(l.ConnsMax)
	opts := []rcmgr.Option{
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: l.ConnsPerIP}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: l.ConnsPerIP}, {PrefixLength: 48, ConnCount: 4 * l.ConnsPerIP}},
		),
		rcmgr.WithNetworkPrefixLimit(local4, local6),
	}
	if metrics == nil {
		opts = append(opts, rcmgr.WithMetricsDisabled())
	}
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits), opts...)
}

// localNetworks lists the networks whose hosts are not strangers counted by
// address: loopback and private ranges share the process-wide limit only.
func localNetworks(conns int) (v4, v6 []rcmgr.NetworkPrefixLimit) {
	for _, p := range []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} {
		v4 = append(v4, rcmgr.NetworkPrefixLimit{Network: netip.MustParsePrefix(p), ConnCount: conns})
	}
	for _, p := range []string{"::1/128", "fc00::/7", "fe80::/10"} {
		v6 = append(v6, rcmgr.NetworkPrefixLimit{Network: netip.MustParsePrefix(p), ConnCount: conns})
	}
	return v4, v6
}

func (l Limits) connManager() (coreconnmgr.ConnManager, error) {
	return connmgr.NewConnManager(l.ConnsLow, l.ConnsHigh, connmgr.WithGracePeriod(l.ConnGrace))
}
