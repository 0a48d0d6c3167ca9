package node

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"ringswap/internal/p2p"
	"ringswap/kademlia"
	"ringswap/nat"
	"ringswap/overlay"
)

// saveContactsEvery is how often the routing table's peers are written down.
const saveContactsEvery = 5 * time.Minute

// network is a node's place among others: the host, what it knows of being
// reached, and the overlay.
type network struct {
	host      *p2p.Host
	transport *p2p.Transport
	machine   *kademlia.Machine // stepped by driver alone; read through Inspect
	driver    *overlay.Driver
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
	n.net.machine, err = kademlia.New(kademlia.Config{
		Self:   overlay.NewContact(n.net.host.ID(), n.net.host.Addrs()...),
		Server: true,
		Rand:   newRand(),
	})
	if err != nil {
		return err
	}
	n.net.transport, err = p2p.NewTransport(n.net.host, p2p.TransportConfig{
		Protocol: n.net.host.Protocol("kad/1.0.0"),
		Log:      n.log,
	})
	if err != nil {
		return err
	}
	n.net.driver, err = overlay.NewDriver(overlay.DriverConfig{
		Machine: n.net.machine, Codec: kademlia.Codec{}, Transport: n.net.transport,
	})
	return err
}

// runNetwork lets the overlay run and enters it through everyone that is known.
func (n *Node) runNetwork() {
	n.spawn(func(ctx context.Context) error { return n.net.driver.Run(ctx) })
	n.spawn(func(ctx context.Context) error {
		return n.net.transport.Watch(ctx, func(ev overlay.Event) { _ = n.net.driver.Notify(ctx, ev) })
	})
	n.spawn(n.join)
	if !n.cfg.NoMDNS {
		lan := p2p.NewDiscovery(n.net.host, p2p.DiscoveryConfig{Found: n.neighbours.add, Log: n.log})
		n.spawn(lan.Run)
	}
	n.spawn(n.keepContacts)
}

// closeNetwork ends what openNetwork started; the overlay has said good-bye.
func (n *Node) closeNetwork() error {
	var errs []error
	if n.net.transport != nil {
		errs = append(errs, n.net.transport.Close())
	}
	if n.net.host != nil {
		errs = append(errs, n.net.host.Close())
	}
	return errors.Join(errs...)
}

// join enters the overlay through the bootstrap nodes and the peers of the last
// run, now and again for as long as nobody is known.
func (n *Node) join(ctx context.Context) error {
	seeds, err := n.seeds()
	if err != nil {
		n.log.Warn("no peers of the last run", "err", err)
	}
	wait := time.Second
	for len(seeds) > 0 {
		if err := n.net.driver.Notify(ctx, overlay.Join{Seeds: seeds}); err != nil {
			return nil // the node is closing
		}
		if !pause(ctx, wait) {
			return nil
		}
		if n.tablePeers(ctx) > 0 {
			wait = time.Minute
		} else {
			wait = min(2*wait, time.Minute)
		}
	}
	return nil
}

// seeds are the bootstrap nodes, by peer, and the peers of the last run.
func (n *Node) seeds() ([]overlay.Contact, error) {
	infos, err := peer.AddrInfosFromP2pAddrs(n.cfg.Bootstrap...)
	if err != nil {
		return nil, err
	}
	var seeds []overlay.Contact
	for _, info := range infos {
		seeds = append(seeds, overlay.NewContact(info.ID, info.Addrs...))
	}
	old, err := loadContacts(n.cfg.Repo)
	return append(seeds, old...), err
}

// keepContacts writes the routing table's peers down from time to time and once
// at the end.
func (n *Node) keepContacts(ctx context.Context) error {
	var latest []overlay.Contact
	save := func() {
		if len(latest) == 0 {
			return
		}
		if err := saveContacts(n.cfg.Repo, latest); err != nil {
			n.log.Warn("the peers of this run cannot be written down", "err", err)
		}
	}
	wait := 10 * time.Second
	for pause(ctx, wait) {
		_ = n.net.driver.Inspect(ctx, func(overlay.Machine) { latest = n.net.machine.Contacts() })
		save()
		wait = saveContactsEvery
	}
	return nil
}

// tablePeers is the number of contacts in the routing table.
func (n *Node) tablePeers(ctx context.Context) (count int) {
	_ = n.net.driver.Inspect(ctx, func(overlay.Machine) { count = n.net.machine.View().Contacts })
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

// newRand is a source for a machine, seeded from the system's.
func newRand() *rand.Rand {
	var seed [16]byte
	_, _ = crand.Read(seed[:]) // never fails
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])))
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
