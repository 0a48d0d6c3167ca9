package p2p

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// ErrListen is returned by [New] when an address cannot be listened on.
var ErrListen = errors.New("cannot listen")

// portTries is how many common free ports are tried before giving up: one
// would do but for another program that takes it in between.
const portTries = 8

// validateListen accepts /ip4 and /ip6 with /tcp or /udp/…/quic-v1.
func validateListen(a ma.Multiaddr) error {
	thin := len(a) >= 2 && (a[0].Protocol().Code == ma.P_IP4 || a[0].Protocol().Code == ma.P_IP6)
	switch {
	case thin && len(a) == 2 && a[1].Protocol().Code == ma.P_TCP:
		return nil
	case thin && len(a) == 3 && a[1].Protocol().Code == ma.P_UDP && a[2].Protocol().Code == ma.P_QUIC_V1:
		return nil
	}
	return fmt.Errorf("%w on %s: want an address such as /ip4/0.0.0.0/tcp/%d or /ip4/0.0.0.0/udp/%d/quic-v1",
		ErrListen, a, DefaultPort, DefaultPort)
}

// listener is the part of a swarm that opens and closes listening sockets.
type listener interface {
	AddListenAddr(a ma.Multiaddr) error
	ListenClose(addrs ...ma.Multiaddr)
}

// listen opens the configured addresses, or the default ones.
func listen(n network.Network, cfg Config) error {
	if cfg.NoListen {
		return nil
	}
	l, ok := n.(listener)
	if !ok {
		return fmt.Errorf("%w: %T cannot open single addresses", ErrListen, n)
	}
	if len(cfg.Listen) > 0 {
		return listenAll(l, cfg.Listen)
	}
	return listenDefault(l, cfg.Log)
}

// listenAll opens every address or none.
//
// UDP goes first. libp2p's TCP listeners set SO_REUSEPORT, with which a second
// process can listen on a taken TCP port and gets half of its connections; its
// UDP sockets do not, so whoever holds the UDP port holds the TCP port of the
// same number. A probe without SO_REUSEPORT finds all other holders.
func listenAll(l listener, addrs []ma.Multiaddr) error {
	addrs = slices.Clone(addrs)
	slices.SortStableFunc(addrs, func(a, b ma.Multiaddr) int { return transportRank(b) - transportRank(a) })
	for i, a := range addrs {
		err := probeTCP(a)
		if err == nil {
			err = l.AddListenAddr(a)
		}
		if err != nil {
			l.ListenClose(addrs[:i]...)
			return fmt.Errorf("%w on %s: %w", ErrListen, a, err)
		}
	}
	return nil
}

// probeTCP reports whether a fixed TCP port is taken.
func probeTCP(a ma.Multiaddr) error {
	netName, hostport, err := manet.DialArgs(a)
	if err != nil || (netName != "tcp4" && netName != "tcp6") {
		return err
	}
	if _, port, err := net.SplitHostPort(hostport); err != nil || port == "0" {
		return err
	}
	probe, err := net.Listen(netName, hostport)
	if err != nil {
		return err
	}
	return probe.Close()
}

// listenDefault opens TCP and QUIC on all interfaces under one port number:
// DefaultPort, or any that is free. One IP version may be missing from the
// system: what counts is that the other one works.
func listenDefault(l listener, log *slog.Logger) error {
	port := DefaultPort
	var first error
	for range portTries {
		err4 := listenAll(l, wildcard("/ip4/0.0.0.0", port))
		var err6 error
		if err4 == nil || !portTaken(err4) {
			if err6 = listenAll(l, wildcard("/ip6/::", port)); err6 == nil {
				return nil // perhaps without IPv4, which this system then lacks
			}
		}
		if err4 == nil && !portTaken(err6) {
			return nil // this system lacks IPv6
		}
		if err4 == nil {
			l.ListenClose(wildcard("/ip4/0.0.0.0", port)...)
		}
		if first == nil {
			first = errors.Join(err4, err6)
		}
		var err error
		if port, err = freePort(); err != nil {
			break
		}
		log.Info("the default port is taken by another program: another one is used", "default", DefaultPort, "port", port)
	}
	return first
}

func wildcard(ip string, port int) []ma.Multiaddr {
	return []ma.Multiaddr{
		ma.StringCast(fmt.Sprintf("%s/udp/%d/quic-v1", ip, port)),
		ma.StringCast(fmt.Sprintf("%s/tcp/%d", ip, port)),
	}
}

// freePort asks the system for a UDP port that nobody uses right now.
func freePort() (int, error) {
	c, err := net.ListenUDP("udp", nil)
	if err != nil {
		return 0, err
	}
	port := c.LocalAddr().(*net.UDPAddr).Port
	return port, c.Close()
}
