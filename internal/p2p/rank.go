package p2p

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Delays between dial attempts to one peer. A later attempt starts at once when
// all earlier ones have failed, and is held back while a TCP connection that
// was accepted is being secured, so a delay costs time only when an address
// swallows packets.
const (
	// publicStep is RFC 8305's connection attempt delay (section 8).
	publicStep = 250 * time.Millisecond
	// privateStep is generous for the same link and the same machine.
	privateStep = 30 * time.Millisecond
	// privateQUIC is how long TCP has to itself there. It outlasts a busy
	// machine or a sleepy Wi-Fi: a connection that QUIC wins by chance is slower
	// for as long as it lives.
	privateQUIC = 200 * time.Millisecond
	// relayDelay lets a direct connection win against the detour.
	relayDelay = 500 * time.Millisecond
)

// rankDials orders the addresses of one peer by when to try them. TCP goes
// first and QUIC only where TCP does not answer: on one machine and on a fast
// link, TCP with TLS moves two to three times the bytes of QUIC for the same
// processor time. Hole punching does not come through here: there libp2p dials
// everything at once, and QUIC succeeds as often as TCP.
//
// Private and public addresses are tried side by side, relays last. rankDials
// may reorder addrs.
func rankDials(addrs []ma.Multiaddr) []network.AddrDelay {
	var private, public, relay, other []ma.Multiaddr
	for _, a := range addrs {
		switch {
		case isRelayAddr(a):
			relay = append(relay, a)
		case manet.IsPrivateAddr(a):
			private = append(private, a)
		case hasProtocol(a, ma.P_IP4) || hasProtocol(a, ma.P_IP6):
			public = append(public, a)
		default:
			other = append(other, a)
		}
	}
	var relayStart time.Duration
	switch {
	case len(public) > 0:
		relayStart = relayDelay
	case len(private) > 0:
		relayStart = 2 * privateStep
	}
	ranked := rankGroup(private, privateStep, privateQUIC, 0)
	ranked = append(ranked, rankGroup(public, publicStep, publicStep, 0)...)
	ranked = append(ranked, rankGroup(relay, publicStep, publicStep, relayStart)...)
	return append(ranked, rankGroup(other, publicStep, publicStep, relayStart+publicStep)...)
}

// rankGroup staggers one group: per transport, the best IPv6 and the best IPv4
// address a step apart (RFC 8305) and the others another step later; QUIC, and
// then everything else, next after the last attempt before.
func rankGroup(addrs []ma.Multiaddr, step, next, start time.Duration) []network.AddrDelay {
	slices.SortStableFunc(addrs, func(a, b ma.Multiaddr) int {
		return cmp.Or(
			cmp.Compare(transportRank(a), transportRank(b)),
			cmp.Compare(localRank(a), localRank(b)),
			cmp.Compare(ipRank(a), ipRank(b)),
			a.Compare(b),
		)
	})
	ranked := make([]network.AddrDelay, 0, len(addrs))
	delay := start
	for i := 0; i < len(addrs); {
		n := 1
		for i+n < len(addrs) && transportRank(addrs[i+n]) == transportRank(addrs[i]) {
			n++
		}
		last := delay
		for k, a := range eyeballs(addrs[i : i+n]) {
			last = delay + time.Duration(min(k, 2))*step
			ranked = append(ranked, network.AddrDelay{Addr: a, Delay: last})
		}
		i += n
		delay = last + next
	}
	return ranked
}

// eyeballs puts the first address of the other IP version second, so that a
// broken IPv6 costs one step only.
func eyeballs(addrs []ma.Multiaddr) []ma.Multiaddr {
	for j := 1; j < len(addrs); j++ {
		if ipRank(addrs[j]) != ipRank(addrs[0]) {
			a := addrs[j]
			copy(addrs[2:j+1], addrs[1:j])
			addrs[1] = a
			break
		}
	}
	return addrs
}

func transportRank(a ma.Multiaddr) int {
	switch {
	case hasProtocol(a, ma.P_QUIC_V1):
		return 1
	case hasProtocol(a, ma.P_TCP):
		return 0
	default:
		return 2
	}
}

// localRank prefers the loopback: it answers or refuses at once.
func localRank(a ma.Multiaddr) int {
	if manet.IsIPLoopback(a) {
		return 0
	}
	return 1
}

func ipRank(a ma.Multiaddr) int {
	if hasProtocol(a, ma.P_IP6) {
		return 0
	}
	return 1
}

func isRelayAddr(a ma.Multiaddr) bool { return hasProtocol(a, ma.P_CIRCUIT) }

func hasProtocol(a ma.Multiaddr, code int) bool {
	for _, c := range a {
		if c.Protocol().Code == code {
			return true
		}
	}
	return false
}
