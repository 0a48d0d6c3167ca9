package p2p

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// DiscoveryConfig says how to look for nodes of the same network on the local
// link. A zero field means its default.
type DiscoveryConfig struct {
	// Found is told of every neighbour as soon as it is connected, and again
	// after every reconnection. It must be quick. nil means nobody wants to know.
	Found func(peer.AddrInfo)
	// Rescan is how often to ask anew who is there. 0 means 5 min.
	Rescan time.Duration
	// Check is how often to look for lost neighbours and changed interfaces. 0
	// means 5 s.
	Check time.Duration
	// DialTimeout bounds one attempt to connect to a neighbour. 0 means 10 s.
	DialTimeout time.Duration
	// Dials is how many neighbours are connected to at once. 0 means 8.
	Dials int
	// Log receives a warning if the link cannot be used. nil means the host's.
	Log *slog.Logger
}

func (c DiscoveryConfig) withDefaults(log *slog.Logger) DiscoveryConfig {
	if c.Found == nil {
		c.Found = func(peer.AddrInfo) {}
	}
	if c.Rescan <= 0 {
		c.Rescan = 5 * time.Minute
	}
	if c.Check <= 0 {
		c.Check = 5 * time.Second
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = 10 * time.Second
	}
	if c.Dials <= 0 {
		c.Dials = 8
	}
	if c.Log == nil {
		c.Log = log
	}
	return c
}

// Discovery finds and connects the nodes of the same network on the local link,
// by multicast DNS: two laptops on one LAN, or two processes on one machine,
// find each other without being told anything. It also keeps those connections:
// a neighbour that is lost, because a lid was closed, is connected again.
type Discovery struct {
	host *Host
	cfg  DiscoveryConfig

	mu    sync.Mutex
	table neighbours
}

// NewDiscovery prepares discovery on h; Run does it.
func NewDiscovery(h *Host, cfg DiscoveryConfig) *Discovery {
	return &Discovery{
		host:  h,
		cfg:   cfg.withDefaults(h.log),
		table: neighbours{self: h.ID()},
	}
}

// A neighbour's connection is worth more than most to the connection manager.
const (
	lanTag      = "lan"
	lanTagValue = 20
)

// Run announces this node, looks for others and connects to them until ctx
// ends; it returns nil then. A link without multicast is not an error: it is
// warned of once, and tried again when the interfaces change.
func (d *Discovery) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := make(chan peer.AddrInfo, 16)
	wg.Go(func() { newMulticast(d, heard).run(ctx) })

	type outcome struct {
		id peer.ID
		ok bool
	}
	tried := make(chan outcome)
	slots := make(chan struct{}, d.cfg.Dials)
	timer := time.NewTimer(d.cfg.Check)
	defer timer.Stop()
	for {
		d.mu.Lock()
		dial, up := d.table.due(time.Now(), d.connected)
		wait := d.cfg.Check
		if at := d.table.deadline(); !at.IsZero() {
			wait = max(0, min(wait, time.Until(at)))
		}
		d.mu.Unlock()
		timer.Reset(wait)
		for _, info := range up {
			d.host.ConnManager().TagPeer(info.ID, lanTag, lanTagValue)
			d.cfg.Found(info)
		}
		for _, info := range dial {
			wg.Go(func() {
				ok := d.dial(ctx, slots, info)
				select {
				case tried <- outcome{info.ID, ok}:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case info := <-heard:
			d.mu.Lock()
			d.table.hear(time.Now(), info)
			d.mu.Unlock()
		case o := <-tried:
			d.mu.Lock()
			d.table.tried(time.Now(), o.id, o.ok)
			d.mu.Unlock()
		case <-timer.C:
		}
	}
}

// connected reports whether a direct connection to a neighbour is there.
func (d *Discovery) connected(p peer.ID) bool {
	return d.host.Network().Connectedness(p) == network.Connected
}

// dial connects to a neighbour as soon as there is a slot.
func (d *Discovery) dial(ctx context.Context, slots chan struct{}, info peer.AddrInfo) bool {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.DialTimeout)
	defer cancel()
	// A relayed connection is no reason not to use the wire between us.
	err := d.host.Connect(network.WithForceDirectDial(ctx, "neighbour"), info)
	if err != nil && ctx.Err() == nil {
		d.cfg.Log.Debug("a neighbour could not be connected to", "peer", info.ID, "err", err)
	}
	return err == nil
}
