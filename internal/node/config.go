package node

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/internal/steer"
)

// DefaultNetwork is the network that nodes join when none is named.
const DefaultNetwork = "ringswap"

// ServeNobody as LimitUp makes a node that only takes.
const ServeNobody = steer.ServeNobody

// Config is how a node is run. The zero value with a Repo is a good one.
type Config struct {
	// Repo is the absolute path of the folder that holds identity, store and
	// control socket; it is made if it does not exist. Required.
	Repo string
	// Overlay is one of Overlays; empty means kademlia. A repo can be run on
	// another one than the last time.
	Overlay string
	// Recursive has lookups passed on from node to node, which takes less time,
	// instead of asking each node in turn. Chord only.
	Recursive bool
	// Network separates networks: it is the prefix of every protocol ID. Empty
	// means DefaultNetwork.
	Network string
	// Listen are the addresses to listen at; nil means every interface, TCP and
	// QUIC, at the port of the last run if that is free.
	Listen []ma.Multiaddr
	// Bootstrap are nodes, with /p2p suffix, through which to enter the overlay.
	Bootstrap []ma.Multiaddr
	// NoMDNS switches off finding nodes on the local network.
	NoMDNS bool
	// LimitUp and LimitDown are bytes of chunks a second for this run; 0 means no
	// limit, and nil what was last set with Service.Settings. LimitUp may be
	// ServeNobody.
	LimitUp, LimitDown *int64
	// Brief says that the node lives for one command only, so that it announces
	// nothing of what it fetches: it would be gone when others come.
	Brief bool
	// Verbose logs to standard error what goes on.
	Verbose bool
}

var networkName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Validate fills in defaults and reports the first field that cannot be used.
func (c *Config) Validate() error {
	if c.Overlay == "" {
		c.Overlay = OverlayKademlia
	}
	if c.Network == "" {
		c.Network = DefaultNetwork
	}
	switch {
	case !filepath.IsAbs(c.Repo):
		return usage("the repo %q is not an absolute path", c.Repo)
	case !slices.Contains(Overlays(), c.Overlay):
		return usage("there is no overlay %q; this version has %s", c.Overlay, overlayNames())
	case c.Recursive && c.Overlay != OverlayChord:
		return usage("lookups are recursive with --overlay %s only", OverlayChord)
	case !networkName.MatchString(c.Network):
		return usage("the network name %q is not 1 to 63 letters, digits, dots, dashes or underscores", c.Network)
	case c.LimitUp != nil && *c.LimitUp < ServeNobody, c.LimitDown != nil && *c.LimitDown < 0:
		return usage("a rate limit must not be negative")
	}
	for _, a := range c.Bootstrap {
		if _, err := a.ValueForProtocol(ma.P_P2P); err != nil {
			return usage("the bootstrap address %s does not end in /p2p/PEERID", a)
		}
	}
	return nil
}

func usage(format string, args ...any) error {
	return &Error{Kind: KindUsage, What: fmt.Sprintf(format, args...), Try: "peer help"}
}
