package experiment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"ringswap/chord"
	"ringswap/internal/p2p"
	"ringswap/kademlia"
	"ringswap/overlay"
)

// liveNetwork is a network of real nodes in this process: libp2p hosts on
// loopback, each with the driver and the machine that run on laptops.
type liveNetwork struct {
	overlay *liveOverlay
	nodes   []*liveNode
	stop    context.CancelFunc
	running errgroup.Group // the drivers and what tells them of the world
}

type liveNode struct {
	host      *p2p.Host
	transport *p2p.Transport
	driver    *overlay.Driver
	contact   overlay.Contact
}

// liveOverlay is an overlay as real nodes run it.
type liveOverlay struct {
	protocol string
	codec    overlay.Codec
	machine  func(self overlay.Contact, rng *rand.Rand) (overlay.Machine, error)
	entries  func(overlay.Machine) int // that a machine routes by
	// sooner reports whether a node at a comes before one at b in the order of
	// responsibility for a key.
	sooner func(key, a, b overlay.ID) bool
	// settled reports whether a machine of a network of n has found its place.
	settled func(m overlay.Machine, n int) bool
}

var liveOverlays = map[string]*liveOverlay{
	"kademlia": {
		protocol: "kad/1.0.0", codec: kademlia.Codec{},
		machine: func(self overlay.Contact, rng *rand.Rand) (overlay.Machine, error) {
			return kademlia.New(kademlia.Config{Self: self, Server: true, Rand: rng})
		},
		entries: func(m overlay.Machine) int { return m.(*kademlia.Machine).View().Contacts },
		sooner:  func(key, a, b overlay.ID) bool { return key.Closer(a, b) },
		settled: func(m overlay.Machine, n int) bool {
			return m.(*kademlia.Machine).View().Contacts >= min(kademlia.Config{}.WithDefaults().K, n-1) // so few know each other
		},
	},
	"chord": {
		protocol: "chord/1.0.0", codec: chord.Codec{},
		machine: func(self overlay.Contact, rng *rand.Rand) (overlay.Machine, error) {
			return chord.New(chord.Config{Self: self, Server: true, Rand: rng})
		},
		entries: func(m overlay.Machine) int { return m.(*chord.Machine).View().Entries },
		sooner:  func(key, a, b overlay.ID) bool { return a.Sub(key).Compare(b.Sub(key)) < 0 },
		settled: func(m overlay.Machine, n int) bool {
			s := m.(*chord.Machine).State()
			return s.HasPredecessor && len(s.Successors) == min(s.R, n-1)
		},
	},
}

// Limits of a live network: it shares one process's memory and descriptors.
const (
	maxLive = 200
	// joinRounds is how often every node joins at least: the first ones learn little
	// of the last ones when they look around.
	joinRounds  = 2
	settleEvery = 300 * time.Millisecond
	settleAtAll = time.Minute
)

// startLive starts n nodes and waits until their tables have come to rest. Peer
// IDs follow from the seed; ports and the order of things do not. The caller
// closes what it gets, also with an error.
func startLive(ctx context.Context, kind *liveOverlay, n int, seed uint64, progress io.Writer) (*liveNetwork, error) {
	life, stop := context.WithCancel(ctx)
	net := &liveNetwork{overlay: kind, stop: stop}
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	source := rand.NewChaCha8(key)
	for range n {
		node, err := openLive(life, kind, source)
		if node != nil {
			net.nodes = append(net.nodes, node)
		}
		if err != nil {
			return net, err
		}
		net.running.Go(func() error { return node.driver.Run(life) })
		// Whoever asks before it is known to serve is taken in once it is.
		net.running.Go(func() error {
			return node.transport.Watch(life, func(ev overlay.Event) { _ = node.driver.Notify(life, ev) })
		})
	}
	if err := net.settle(ctx); err != nil {
		return net, err
	}
	fmt.Fprintf(progress, "%d nodes run on loopback\n", n)
	return net, nil
}

// join has one node after the other enter through the first one, as daemons do
// each minute. A lookup of its own place gives each the time to be noticed: a
// node checks only so many newcomers at once.
func (net *liveNetwork) join(ctx context.Context) error {
	first := []overlay.Contact{net.nodes[0].contact}
	for _, node := range net.nodes[1:] {
		if err := node.driver.Notify(ctx, overlay.Join{Seeds: first}); err != nil {
			return err
		}
		// Before it knows anybody the lookup fails, and the next round is its.
		_, _ = node.driver.Closest(ctx, overlay.PeerKey(node.contact.Peer), 0)
	}
	return ctx.Err()
}

// openLive makes a node. What it could open of it comes back with an error.
func openLive(ctx context.Context, kind *liveOverlay, source *rand.ChaCha8) (*liveNode, error) {
	identity, _, err := crypto.GenerateEd25519Key(source)
	if err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	node := new(liveNode)
	node.host, err = p2p.New(ctx, p2p.Config{
		Identity: identity, Network: "figures", Log: quiet,
		Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")},
	})
	if err != nil {
		return nil, err
	}
	node.contact = overlay.NewContact(node.host.ID(), node.host.Addrs()...)
	machine, err := kind.machine(node.contact, rand.New(rand.NewPCG(source.Uint64(), source.Uint64())))
	if err != nil {
		return node, err
	}
	node.transport, err = p2p.NewTransport(node.host, p2p.TransportConfig{Protocol: node.host.Protocol(kind.protocol), Log: quiet})
	if err != nil {
		return node, err
	}
	node.driver, err = overlay.NewDriver(overlay.DriverConfig{Machine: machine, Codec: kind.codec, Transport: node.transport})
	return node, err
}

// settle lets the nodes join, and join again, until every one has found its place
// and no table grows any more: a node checks only so many newcomers at once.
func (net *liveNetwork) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleAtAll, errors.New("the nodes do not find their places"))
	defer cancel()
	for round := 1; ; round++ {
		err := net.join(ctx)
		placed := false
		if err == nil {
			placed, err = net.rest(ctx)
		}
		switch {
		case context.Cause(ctx) != nil:
			return context.Cause(ctx)
		case err != nil || placed && round >= joinRounds:
			return err
		}
	}
}

// rest waits until no table has grown for a while, and for longer if not every
// node has found its place, which it reports.
func (net *liveNetwork) rest(ctx context.Context) (placed bool, err error) {
	const calmEnough, patience = 3, 10 // intervals
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for last, calm := -1.0, 0; calm < patience && (calm < calmEnough || !placed); calm++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
		now, err := net.entriesMean(ctx)
		if err != nil {
			return false, err
		}
		if placed, err = net.placed(ctx); err != nil {
			return false, err
		}
		if now != last || now == 0 && len(net.nodes) > 1 {
			calm = 0
		}
		last = now
	}
	return placed, nil
}

// entriesMean is the mean number of contacts in a node's tables.
func (net *liveNetwork) entriesMean(ctx context.Context) (float64, error) {
	sum := 0
	for _, n := range net.nodes {
		if err := n.driver.Inspect(ctx, func(m overlay.Machine) { sum += net.overlay.entries(m) }); err != nil {
			return 0, err
		}
	}
	return float64(sum) / float64(len(net.nodes)), nil
}

// placed reports whether every node has found its place.
func (net *liveNetwork) placed(ctx context.Context) (bool, error) {
	all := true
	for _, n := range net.nodes {
		if err := n.driver.Inspect(ctx, func(m overlay.Machine) { all = all && net.overlay.settled(m, len(net.nodes)) }); err != nil {
			return false, err
		}
	}
	return all, nil
}

// close stops every node and waits for all that it runs.
func (net *liveNetwork) close() error {
	net.stop()
	errs := []error{net.running.Wait()}
	for _, n := range net.nodes {
		if n.transport != nil {
			errs = append(errs, n.transport.Close())
		}
		errs = append(errs, n.host.Close())
	}
	return errors.Join(errs...)
}

// nearest is the place of the node that is responsible for a key.
func (net *liveNetwork) nearest(key overlay.ID) overlay.ID {
	best := net.nodes[0].contact.ID
	for _, n := range net.nodes[1:] {
		if net.overlay.sooner(key, n.contact.ID, best) {
			best = n.contact.ID
		}
	}
	return best
}

// measure looks random keys up from random nodes, one after the other.
func (net *liveNetwork) measure(ctx context.Context, lookups int, seed uint64) (*tally, error) {
	rng := rand.New(rand.NewPCG(seed, 1))
	t := new(tally)
	for range lookups {
		node := net.nodes[rng.IntN(len(net.nodes))]
		key := overlay.RawKey(fmt.Appendf(nil, "key %d", rng.Uint64()))
		began := time.Now()
		path, err := node.driver.Closest(ctx, key, 0)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		t.add(path, err, node.contact.ID, net.nearest(key.ID()), time.Since(began))
	}
	return t, nil
}

// tally sums up lookups of real nodes.
type tally struct {
	hops     []int // of those that found the node
	millis   []float64
	requests int
	lookups  int
	failed   int
}

// add takes one lookup's path. The hops that are published count the contact to
// the responsible node, so they are one more than the referrals; a lookup that
// ends where it begins has none.
func (t *tally) add(p overlay.Path, err error, asker, want overlay.ID, took time.Duration) {
	t.lookups++
	t.requests += p.RPCs()
	t.millis = append(t.millis, float64(took.Microseconds())/1000)
	switch {
	case err != nil || len(p.Closest) == 0 || p.Closest[0].ID != want:
		t.failed++
	case want == asker:
		t.hops = append(t.hops, 0)
	default:
		t.hops = append(t.hops, p.Hops+1)
	}
}
