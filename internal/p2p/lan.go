package p2p

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// What a node says of itself on the local link (DNS-SD over multicast DNS, RFC
// 6762 and 6763): one instance of the network's service whose TXT strings are
// "dnsaddr=" and an address with the peer ID, as in libp2p's mDNS discovery.

// txtPrefix begins a TXT string that carries an address.
const txtPrefix = "dnsaddr="

// Limits of an announcement, ours and others'. With eight addresses it stays
// within one Ethernet frame, which RFC 6762 section 17 asks for.
const (
	maxTXT         = 8
	maxTXTAccepted = 32
	maxTXTLen      = 255 // RFC 1035 section 3.3
)

var plainService = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$`)

// serviceName is the DNS-SD service type of a network. Its label has at most 15
// characters and ignores case (RFC 6763 section 7.2), so that a name that does
// not fit is hashed.
func serviceName(network string) string {
	if plainService.MatchString(network) {
		return "_" + network + "._udp"
	}
	sum := sha256.Sum256([]byte(network))
	return "_p2p-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:10]) + "._udp"
}

// announcement is the TXT strings for a node with the given interface
// addresses. Loopback addresses are of use to nobody else and are left out
// unless there is nothing else.
func announcement(id peer.ID, addrs []ma.Multiaddr) []string {
	addrs = slices.Clone(addrs)
	slices.SortStableFunc(addrs, func(a, b ma.Multiaddr) int { return lanRank(a) - lanRank(b) })
	var txt []string
	for _, a := range addrs {
		if manet.IsIPLoopback(a) && len(txt) > 0 || validateListen(a) != nil || manet.IsIPUnspecified(a) || manet.IsIP6LinkLocal(a) {
			continue
		}
		if s := fmt.Sprintf("%s%s/p2p/%s", txtPrefix, a, id); len(s) <= maxTXTLen && len(txt) < maxTXT {
			txt = append(txt, s)
		}
	}
	return txt
}

// lanRank orders addresses by how likely a neighbour can use them.
func lanRank(a ma.Multiaddr) int {
	rank := 2 * transportRank(a)
	switch {
	case manet.IsIPLoopback(a):
		rank += 16
	case !manet.IsPrivateAddr(a):
		rank++
	}
	return rank
}

// parseAnnouncement reads the TXT strings of one instance. All must speak of
// one peer; strings that mean nothing here are passed over, as RFC 6763 section
// 6 wants. It returns false if no usable address is left.
func parseAnnouncement(txt []string) (peer.AddrInfo, bool) {
	var info peer.AddrInfo
	for _, s := range txt[:min(len(txt), maxTXTAccepted)] {
		rest, ok := strings.CutPrefix(s, txtPrefix)
		if !ok || len(s) > maxTXTLen {
			continue
		}
		full, err := ma.NewMultiaddr(rest)
		if err != nil {
			continue
		}
		addr, id := peer.SplitAddr(full)
		if id == "" || validateListen(addr) != nil || manet.IsIPUnspecified(addr) {
			continue
		}
		if ip, err := manet.ToIP(addr); err != nil || ip.IsMulticast() {
			continue
		}
		if info.ID != "" && info.ID != id {
			return peer.AddrInfo{}, false
		}
		info.ID = id
		info.Addrs = append(info.Addrs, addr)
	}
	info.Addrs = ma.Unique(info.Addrs)
	return info, len(info.Addrs) > 0
}

// Times of the neighbours' table.
const (
	// lanRetryFirst and lanRetryMost bound the wait after a failed connection.
	lanRetryFirst = 2 * time.Second
	lanRetryMost  = 2 * time.Minute
	// lanForget is how long a neighbour is remembered after it was last heard of
	// or connected.
	lanForget = 15 * time.Minute
	// lanPolite is how long the node with the higher ID waits for the other one
	// to connect, since both hear of each other at once.
	lanPolite = time.Second
	// maxNeighbours bounds what others on the link can make this node remember.
	maxNeighbours = 256
)

// neighbours is what is known of the nodes on the local link, and when to
// connect to them: a pure table that is given the time.
type neighbours struct {
	self  peer.ID
	peers map[peer.ID]*neighbour
}

type neighbour struct {
	info     peer.AddrInfo
	heard    time.Time // announced or connected
	next     time.Time // when to try, while not connected
	failures int
	dialing  bool
	up       bool // connected, as of the last look
}

// hear takes an announcement. New addresses replace the old ones and are tried
// without waiting.
func (n *neighbours) hear(now time.Time, info peer.AddrInfo) {
	if info.ID == n.self {
		return
	}
	if n.peers == nil {
		n.peers = make(map[peer.ID]*neighbour)
	}
	nb := n.peers[info.ID]
	if nb == nil {
		if len(n.peers) >= maxNeighbours && !n.makeRoom() {
			return
		}
		nb = &neighbour{next: now}
		if n.self > info.ID {
			nb.next = now.Add(lanPolite)
		}
		n.peers[info.ID] = nb
	}
	nb.heard = now
	if nb.failures > 0 && !slices.EqualFunc(nb.info.Addrs, info.Addrs, ma.Multiaddr.Equal) {
		nb.failures, nb.next = 0, now
	}
	nb.info = info
}

// makeRoom drops the neighbour that was not heard of for longest among those
// that could not be connected to. If there is none, newcomers have to wait.
func (n *neighbours) makeRoom() bool {
	var oldest peer.ID
	for id, nb := range n.peers {
		if nb.failures > 0 && !nb.dialing && (oldest == "" || nb.heard.Before(n.peers[oldest].heard)) {
			oldest = id
		}
	}
	delete(n.peers, oldest)
	return oldest != ""
}

// due looks at everyone: dial are those to connect to now, each of which must
// be followed by tried; up are those that are newly connected. connected says
// who is.
func (n *neighbours) due(now time.Time, connected func(peer.ID) bool) (dial, up []peer.AddrInfo) {
	for id, nb := range n.peers {
		if connected(id) {
			if !nb.up {
				up = append(up, nb.info)
			}
			nb.up, nb.heard, nb.failures, nb.next = true, now, 0, now
			continue
		}
		nb.up = false
		switch {
		case nb.dialing:
		case now.Sub(nb.heard) > lanForget:
			delete(n.peers, id)
		case !now.Before(nb.next):
			nb.dialing = true
			dial = append(dial, nb.info)
		}
	}
	return dial, up
}

// tried takes the outcome of an attempt.
func (n *neighbours) tried(now time.Time, id peer.ID, ok bool) {
	nb := n.peers[id]
	if nb == nil {
		return
	}
	nb.dialing = false
	if ok {
		nb.failures = 0
		nb.next = now.Add(lanRetryFirst) // for the case that it is lost right away
		return
	}
	nb.next = now.Add(min(lanRetryFirst<<min(nb.failures, 10), lanRetryMost))
	nb.failures++
}

// deadline is when due has something to do at the earliest, unless a
// connection is lost before; the zero time means never.
func (n *neighbours) deadline() (at time.Time) {
	for _, nb := range n.peers {
		if !nb.up && !nb.dialing && (at.IsZero() || nb.next.Before(at)) {
			at = nb.next
		}
	}
	return at
}
