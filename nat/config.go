package nat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
)

// PeerSource names up to n peers that may be willing to relay for this node. It
// is asked again and again while the node needs relays; it returns soon, closes
// the channel when it has no more for now, and stops with ctx.
type PeerSource func(ctx context.Context, n int) <-chan peer.AddrInfo

// Config holds the switches of reachability. The zero value switches everything
// off; see [DefaultConfig].
type Config struct {
	// PortMap asks the router to forward the listening ports, by UPnP, NAT-PMP
	// or PCP. It searches for a router for up to 10 s in the background.
	PortMap bool
	// AutoNAT asks peers to dial this node back, address by address (AutoNAT
	// v2), and answers the same question for others.
	AutoNAT bool
	// Relay lets the node dial, and be dialled, through relays (circuit relay v2).
	Relay bool
	// RelaySource names relays to reserve a place at while no address of this
	// node is known to be reachable. nil: no place is reserved.
	RelaySource PeerSource
	// RelayCount is how many relays to keep a reservation at. 0 means 2.
	RelayCount int
	// HolePunch turns relayed connections into direct ones (DCUtR). Needs Relay.
	HolePunch bool
	// RelayService relays for others once this node is publicly reachable.
	RelayService bool
}

// DefaultConfig has every way of being reached switched on, and relays for
// nobody.
func DefaultConfig() Config {
	return Config{PortMap: true, AutoNAT: true, Relay: true, HolePunch: true}
}

// Validate reports switches that contradict each other.
func (c Config) Validate() error {
	switch {
	case c.HolePunch && !c.Relay:
		return errors.New("nat: hole punching starts from a relayed connection: switch the relay client on too")
	case c.RelaySource != nil && !c.Relay:
		return errors.New("nat: a source of relays is of no use without the relay client")
	case c.RelayCount < 0:
		return fmt.Errorf("nat: %d relays", c.RelayCount)
	}
	return nil
}

// Times of the relay finder. libp2p's own suit servers that look for the best
// of many relays; a laptop wants any relay soon after it was opened.
const (
	relayBootDelay   = 5 * time.Second
	relayBackoff     = 5 * time.Minute
	relayMinInterval = 10 * time.Second
	defaultRelays    = 2
)

// Options are the libp2p options for c. m learns of the port mappings.
func (c Config) Options(m *Mapper) []libp2p.Option {
	var opts []libp2p.Option
	if c.PortMap {
		opts = append(opts, libp2p.NATManager(m.manage))
	}
	if c.AutoNAT {
		opts = append(opts, libp2p.EnableAutoNATv2())
	}
	if c.Relay {
		opts = append(opts, libp2p.EnableRelay())
	} else {
		opts = append(opts, libp2p.DisableRelay())
	}
	if c.RelaySource != nil {
		n := c.RelayCount
		if n == 0 {
			n = defaultRelays
		}
		opts = append(opts, libp2p.EnableAutoRelayWithPeerSource(autorelay.PeerSource(c.RelaySource),
			autorelay.WithNumRelays(n),
			autorelay.WithMinCandidates(n),
			autorelay.WithBootDelay(relayBootDelay),
			autorelay.WithBackoff(relayBackoff),
			autorelay.WithMinInterval(relayMinInterval),
		))
	}
	if c.HolePunch {
		opts = append(opts, libp2p.EnableHolePunching())
	}
	if c.RelayService {
		opts = append(opts, libp2p.EnableRelayService())
	}
	return opts
}
