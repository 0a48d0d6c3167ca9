package node

import (
	"context"
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"ringswap/internal/p2p"
	"ringswap/nat"
	"ringswap/overlay"
)

// network is a node's place among others: the host, what it knows of being
// reached, and the overlay.
type network struct {
	host      *p2p.Host
	transport *p2p.Transport
	overlay   routing // its machine is stepped by driver alone; see inspect
	codec     *strictCodec
	driver    *overlay.Driver
	memory    memory
	ran       bool // runNetwork was called
}

// inspect lets f look at the overlay between two steps. f must be quick.
func (w *network) inspect(ctx context.Context, f func(routing)) error {
	return w.driver.Inspect(ctx, func(overlay.Machine) { f(w.overlay) })
}

// openNetwork starts the host and prepares the overlay; runNetwork drives it.
func (n *Node) openNetwork(ctx context.Context) (err error) {
	key, err := p2p.LoadIdentity(filepath.Join(n.cfg.Repo, "identity"))
	if err != nil {
		return failure(KindFailed, err, "", "the identity of this node cannot be used")
	}
	p2p.CaptureLogs(n.log.Handler())
	hc := p2p.DefaultConfig()
	hc.Identity, hc.Network, hc.Listen, hc.Log = key, n.cfg.Network, n.cfg.Listen, n.log
	hc.UserAgent = "ringswap/" + Version()
	if loopbackOnly(n.cfg.Listen) {
		hc.NAT = nat.Config{Relay: true, HolePunch: true} // nobody outside is meant to reach it
	}
	if n.net.host, err = p2p.New(ctx, hc); err != nil {
		return failure(KindFailed, err, "peer run --listen /ip4/0.0.0.0/tcp/0", "the node cannot listen")
	}
	n.net.overlay, err = newRouting(n.cfg, overlay.NewContact(n.net.host.ID(), n.net.host.Addrs()...))
	if err != nil {
		return err
	}
	n.recall()
	n.net.transport, err = p2p.NewTransport(n.net.host, p2p.TransportConfig{
		Protocol: n.net.host.Protocol(n.net.overlay.protocol()),
		Log:      n.log,
	})
	if err != nil {
		return err
	}
	n.net.codec = newStrictCodec(n.net.overlay)
	n.net.driver, err = overlay.NewDriver(overlay.DriverConfig{
		Machine: n.net.overlay.core(), Codec: n.net.codec, Transport: n.net.transport,
	})
	return err
}

// runNetwork lets the overlay run and enters it through everyone that is known.
func (n *Node) runNetwork() {
	n.net.ran = true
	n.spawn(func(ctx context.Context) error { return n.net.driver.Run(ctx) })
	n.spawn(func(ctx context.Context) error {
		return n.net.transport.Watch(ctx, func(ev overlay.Event) { _ = n.net.driver.Notify(ctx, ev) })
	})
	n.spawn(n.join)
	if !n.cfg.NoMDNS {
		lan := p2p.NewDiscovery(n.net.host, p2p.DiscoveryConfig{Found: n.neighbours.add, Log: n.log})
		n.spawn(lan.Run)
	}
	n.spawn(n.keepMemory)
}

// closeNetwork ends what openNetwork started; the overlay has said good-bye.
func (n *Node) closeNetwork() error {
	if n.net.ran {
		n.memorize(n.net.overlay.Contacts(), n.net.overlay.Snapshot())
	}
	var errs []error
	if n.net.transport != nil {
		errs = append(errs, n.net.transport.Close())
	}
	if n.net.host != nil {
		errs = append(errs, n.net.host.Close())
	}
	return errors.Join(errs...)
}

// seeds are the bootstrap nodes and some peers of earlier runs. The bootstrap
// nodes come last: a machine that has room for a few keeps the latest.
func (n *Node) seeds(boot []peer.AddrInfo) []overlay.Contact {
	seeds := n.net.memory.contacts.seeds()
	for _, info := range boot {
		seeds = append(seeds, overlay.NewContact(info.ID, info.Addrs...))
	}
	return seeds
}

// entries is the size of the routing state.
func (n *Node) entries(ctx context.Context) (count int) {
	_ = n.net.inspect(ctx, func(o routing) { count, _ = o.role() })
	return count
}

// pause waits and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// newRand is a source for a machine, seeded from the system's. Whoever has seen
// some of its numbers cannot tell the next: Chord's lookups are known by them.
func newRand() *rand.Rand {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails
	return rand.New(rand.NewChaCha8(seed))
}

// loopbackOnly reports whether a node at these addresses is for this machine.
func loopbackOnly(listen []ma.Multiaddr) bool {
	for _, a := range listen {
		if !manet.IsIPLoopback(a) {
			return false
		}
	}
	return len(listen) > 0
}
