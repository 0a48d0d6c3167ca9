package nat

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// State says from where a node can be reached.
type State string

// The states of reachability.
const (
	// Unknown: nodes outside are connected, but none has tested this one yet.
	Unknown State = "unknown"
	// Local: no node outside the local network is connected, so the question has
	// not come up. On a LAN or on one machine this is all there is to know.
	Local State = "local"
	// Public: nodes outside have connected to this one at an address of its own.
	Public State = "public"
	// Private: nodes outside tried and could not connect: a router or a firewall
	// is in between.
	Private State = "private"
	// Relayed: like Private, but a relay passes connections on.
	Relayed State = "relayed"
)

// Observations is everything a verdict is made from. Slices may be nil; none is
// written to.
type Observations struct {
	// Listening are the addresses of this node's interfaces, wildcards resolved.
	Listening []ma.Multiaddr
	// Reachable, Unreachable and Untested are this node's public addresses by
	// what AutoNAT v2 found out about each.
	Reachable, Unreachable, Untested []ma.Multiaddr
	// Ambient is the answer of AutoNAT v1, which tests the node as a whole.
	Ambient network.Reachability
	// RouterFound says that a router that maps ports was found; Mapped are its
	// addresses that lead here.
	RouterFound bool
	Mapped      []ma.Multiaddr
	// Relays are the addresses at which relays stand in for this node.
	Relays []ma.Multiaddr
	// PublicPeers is the number of connections with nodes at public addresses.
	PublicPeers int
}

// Verdict is what a node's owner wants to know about being reached.
type Verdict struct {
	State State
	// Addrs are the addresses at which nodes outside reach this one: tested
	// addresses of its own, or else those of relays. Empty if there are none.
	Addrs []ma.Multiaddr
	// Reasons say why, most important first, each a plain sentence.
	Reasons []string
}

// Judge decides. It is a pure function: the same observations give the same
// verdict.
func Judge(o Observations) Verdict {
	var v Verdict
	say := func(format string, args ...any) { v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...)) }
	switch {
	case len(o.Reachable) > 0:
		v.State, v.Addrs = Public, o.Reachable
		say("Nodes outside connected to %s.", list(o.Reachable))
	case o.Ambient == network.ReachabilityPublic:
		v.State = Public
		say("Nodes outside connected to this one when it asked them to.")
	case len(o.Unreachable) > 0:
		v.State = Private
		say("Nodes outside could not connect to %s: a router or a firewall is in between.", list(o.Unreachable))
	case o.Ambient == network.ReachabilityPrivate:
		v.State = Private
		say("Nodes outside could not connect to this one when it asked them to: a router or a firewall is in between.")
	case o.PublicPeers == 0:
		v.State = Local
		say("No node outside the local network is connected, so nobody has tested whether this one can be reached from there.")
	default:
		v.State = Unknown
		say("No node outside has tested yet whether it can connect to this one.")
	}
	if v.State == Private && len(o.Relays) > 0 {
		v.State, v.Addrs = Relayed, o.Relays
		say("%s; connections arrive through there.", plural(len(o.Relays), "A relay stands in for this node", "%d relay addresses stand in for this node"))
	}
	for _, r := range surroundings(o, v.State) {
		say("%s", r)
	}
	return v
}

// surroundings are the reasons that do not decide, but explain.
func surroundings(o Observations, s State) (reasons []string) {
	switch outside := publicAddrs(o.Mapped); {
	case len(outside) > 0:
		reasons = append(reasons, fmt.Sprintf("The router forwards %s to this node.", list(outside)))
	case len(o.Mapped) > 0:
		reasons = append(reasons, fmt.Sprintf("The router forwards %s to this node, but that is not a public address: another router, perhaps the provider's, is in front of it.", list(o.Mapped)))
	case o.RouterFound:
		reasons = append(reasons, "A router that can forward ports was found, but it forwards none to this node.")
	}
	switch {
	case len(o.Listening) > 0 && all(o.Listening, manet.IsIPLoopback):
		reasons = append(reasons, "The node listens for this machine only.")
	case s != Public && len(publicAddrs(o.Listening)) > 0:
		reasons = append(reasons, fmt.Sprintf("This machine itself has the public address %s.", list(publicAddrs(o.Listening))))
	case len(o.Listening) == 0:
		reasons = append(reasons, "The node does not listen for connections.")
	}
	return reasons
}

func publicAddrs(addrs []ma.Multiaddr) []ma.Multiaddr {
	return ma.FilterAddrs(addrs, manet.IsPublicAddr)
}

func all(addrs []ma.Multiaddr, f func(ma.Multiaddr) bool) bool {
	for _, a := range addrs {
		if !f(a) {
			return false
		}
	}
	return true
}

// list names addresses as host and port, each once, and not more than three.
func list(addrs []ma.Multiaddr) string {
	const most = 3
	var names []string
	seen := make(map[string]bool)
	for _, a := range addrs {
		if n := name(a); !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// name is how people write an address: 192.0.2.1:4779 (TCP).
func name(a ma.Multiaddr) string {
	netName, hostport, err := manet.DialArgs(a)
	if err != nil {
		return a.String()
	}
	if _, err := netip.ParseAddrPort(hostport); err != nil {
		return a.String()
	}
	return fmt.Sprintf("%s (%s)", hostport, strings.ToUpper(netName[:3]))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}
