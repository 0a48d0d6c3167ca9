package p2p

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"

	"ringswap/nat"
)

// DefaultNetwork is the name of the network that nodes join when none is given.
const DefaultNetwork = "ringswap"

// DefaultPort is the TCP and UDP port a node listens on when none is given and
// nobody else has it. A fixed port lets a user open it in a firewall, and lets
// others find the node again after a restart.
const DefaultPort = 4779

// Config says how to build a [Host]. The zero value of every field but Identity
// is usable: it means the default named at the field.
type Config struct {
	// Identity is the node's private key. Required: see [LoadIdentity].
	Identity crypto.PrivKey
	// Network separates networks: it is the first part of every protocol ID and
	// of the name under which mDNS announces the node. "" means DefaultNetwork.
	Network string
	// Listen are the addresses to listen on; an address that cannot be listened
	// on is an error. Empty means TCP and QUIC on every IPv4 and IPv6 interface at
	// DefaultPort, or at one common free port if that one is taken.
	Listen []ma.Multiaddr
	// NoListen makes a node that only dials. Listen must then be empty.
	NoListen bool
	// Announce are addresses to tell others in addition to those the node finds
	// out itself, such as a port forwarded by hand.
	Announce []ma.Multiaddr
	// UserAgent is what peers see this program as. "" means "ringswap".
	UserAgent string
	// NAT says how to become reachable from outside. The zero value does nothing.
	NAT nat.Config
	// Limits bound connections, streams and memory. The zero value means
	// DefaultLimits.
	Limits Limits
	// DialTimeout bounds one attempt to connect to a peer, all its addresses
	// together. 0 means 15 s.
	DialTimeout time.Duration
	// Metrics receives libp2p's own metrics. nil switches them off, which saves
	// about 3 MiB in an idle process.
	Metrics prometheus.Registerer
	// Log receives what an operator may want to know. nil means slog.Default().
	Log *slog.Logger
}

// DefaultConfig is a node as most people want it, except that it has no
// identity yet.
func DefaultConfig() Config {
	return Config{
		Network:     DefaultNetwork,
		UserAgent:   "ringswap",
		NAT:         nat.DefaultConfig(),
		Limits:      DefaultLimits(),
		DialTimeout: 15 * time.Second,
	}
}

// maxNetworkName keeps every protocol ID well below the 1 KiB that
// multistream-select allows, and the mDNS service name within one DNS label.
const maxNetworkName = 48

// Validate reports the first thing in c that cannot work.
func (c Config) Validate() error {
	c = c.withDefaults()
	if c.Identity == nil {
		return errors.New("p2p: the configuration has no identity")
	}
	if err := ValidateNetwork(c.Network); err != nil {
		return err
	}
	if c.NoListen && len(c.Listen) > 0 {
		return errors.New("p2p: a node that does not listen has no listen addresses")
	}
	if c.DialTimeout < 0 {
		return fmt.Errorf("p2p: the dial timeout %v is negative", c.DialTimeout)
	}
	for _, a := range c.Listen {
		if err := validateListen(a); err != nil {
			return err
		}
	}
	if err := c.Limits.Validate(); err != nil {
		return err
	}
	return c.NAT.Validate()
}

// ValidateNetwork reports why name cannot be the name of a network: it is part
// of protocol IDs and of a DNS name, so it is short and plain.
func ValidateNetwork(name string) error {
	if name == "" {
		return errors.New("p2p: the network has no name")
	}
	if len(name) > maxNetworkName {
		return fmt.Errorf("p2p: the network name is %d bytes long, more than %d", len(name), maxNetworkName)
	}
	for _, r := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r) {
			return fmt.Errorf("p2p: the network name %q may hold letters, digits, '-', '_' and '.' only", name)
		}
	}
	return nil
}

// ProtocolID is the ID of a protocol of the network called name:
// ProtocolID("ringswap", "kad/1.0.0") is "/ringswap/kad/1.0.0".
func ProtocolID(network, suffix string) protocol.ID {
	return protocol.ID("/" + network + "/" + suffix)
}

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	if c.Network == "" {
		c.Network = d.Network
	}
	if c.UserAgent == "" {
		c.UserAgent = d.UserAgent
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = d.DialTimeout
	}
	c.Limits = c.Limits.withDefaults()
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}
