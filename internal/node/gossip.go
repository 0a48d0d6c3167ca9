package node

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/members"
)

// gossip keeps who is in the swarms of this node: those that are connected tell each
// other of the others, and a transfer tries whom it heard of. It implements
// swap.Gossip; the decisions are those of package members.
type gossip struct {
	host      host.Host
	transfers *transfers

	mu      sync.Mutex
	server  *swap.Server // nil until there is one
	swarms  map[cid.Cid]*members.Members
	refused map[string]uint64 // messages, by the reason
}

var _ swap.Gossip = (*gossip)(nil)

func newGossip(h host.Host, t *transfers) *gossip {
	return &gossip{host: h, transfers: t, swarms: make(map[cid.Cid]*members.Members), refused: make(map[string]uint64)}
}

// serves says which server's peers are members, too.
func (g *gossip) serves(s *swap.Server) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.server = s
}

// How a transfer tries whom it heard of: tryAtOnce every gossipLook, until
// enoughPeers are connected or are being tried.
const (
	gossipLook  = 250 * time.Millisecond
	tryAtOnce   = 4
	enoughPeers = 32
)

// Heard implements swap.Gossip. A node that fetches nothing of a root has no use
// for its members.
func (g *gossip) Heard(root cid.Cid, from peer.ID, named []peer.AddrInfo) {
	if len(g.transfers.of(root)) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.swarm(root)
	if m == nil {
		return
	}
	if _, err := m.Heard(time.Now(), from, named); err != nil {
		g.refused[err.Error()]++
	}
}

// Tell implements swap.Gossip.
func (g *gossip) Tell(root cid.Cid, to peer.ID) []peer.AddrInfo {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.swarm(root)
	if m == nil {
		return nil
	}
	return m.Tell(time.Now(), to)
}

// swarm is a swarm's members as they are now; nil if this node has nothing to do
// with it. g.mu is held.
func (g *gossip) swarm(root cid.Cid) *members.Members {
	here := g.present(root)
	if len(here) == 0 || g.transfers.holding(root) == nil && len(g.transfers.of(root)) == 0 {
		delete(g.swarms, root)
		return nil
	}
	m := g.swarms[root]
	if m == nil {
		var err error
		if m, err = members.New(members.Config{Self: g.host.ID(), Rand: newRand()}); err != nil {
			return nil // cannot happen: the configuration is fixed
		}
		g.swarms[root] = m
	}
	for _, id := range m.Here() {
		if !slices.ContainsFunc(here, func(n members.Member) bool { return n.ID == id }) {
			m.Leave(id)
		}
	}
	for _, n := range here {
		m.Join(time.Now(), n)
	}
	return m
}

// sweep forgets the swarms of which nobody is connected any more.
func (g *gossip) sweep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for root := range g.swarms {
		_ = g.swarm(root) // which does that
	}
}

// present lists who is connected because of a root: who gives of it, and who asks
// for it. g.mu is held.
func (g *gossip) present(root cid.Cid) (here []members.Member) {
	complete := make(map[peer.ID]bool)
	for _, d := range g.transfers.of(root) {
		for _, p := range d.session.Peers() {
			if p.Status == swap.PeerConnected && (p.Complete || p.Chunks > 0) {
				complete[p.ID] = p.Complete
			}
		}
	}
	if g.server != nil {
		for _, u := range g.server.Uploads() {
			if _, known := complete[u.Peer]; !known && u.Root == root {
				complete[u.Peer] = false
			}
		}
	}
	for id, all := range complete {
		if remote := remoteAddr(g.host, id); remote != nil {
			here = append(here, members.Member{ID: id, Claimed: g.host.Peerstore().Addrs(id), Remote: remote, Complete: all})
		}
	}
	slices.SortFunc(here, func(a, b members.Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return here
}

// remoteAddr is where a peer is connected, directly if it is; nil if it is not.
func remoteAddr(h host.Host, id peer.ID) (at ma.Multiaddr) {
	for _, c := range h.Network().ConnsToPeer(id) {
		if at == nil || !c.Stat().Limited {
			at = c.RemoteMultiaddr()
		}
	}
	return at
}

// follow lets a transfer use the members of its swarm: those who ask this node for
// the root have, or will have, some of it, and those who were named may be there.
// It returns when ctx ends.
func (g *gossip) follow(ctx context.Context, root cid.Cid, s *swap.Session) {
	tried := make(map[peer.ID]bool)
	for pause(ctx, gossipLook) {
		peers := s.Peers()
		for _, id := range g.judge(peers, root, tried) {
			s.Forget(id)
		}
		for _, p := range g.next(root, s.State(), tried) {
			if !slices.ContainsFunc(peers, func(known swap.PeerStats) bool { return known.ID == p.ID }) {
				s.AddPeer(p, sourceSwarm)
			}
		}
	}
}

// next is whom a transfer should try now, beside those that it knows. Those who were
// named are added to tried.
func (g *gossip) next(root cid.Cid, s swap.SessionState, tried map[peer.ID]bool) (out []peer.AddrInfo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.swarm(root)
	if m == nil {
		return nil
	}
	for _, id := range m.Here() {
		out = append(out, peer.AddrInfo{ID: id}) // connected: no address is needed
	}
	if s.Connected+s.Trying < enoughPeers {
		for _, p := range m.Try(time.Now(), tryAtOnce) {
			tried[p.ID] = true
			out = append(out, p)
		}
	}
	return out
}

// judge looks what became of those who were tried, and returns those who are out of
// reach: a stranger's word is worth one attempt. That somebody is there, his presence
// says.
func (g *gossip) judge(peers []swap.PeerStats, root cid.Cid, tried map[peer.ID]bool) (gone []peer.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.swarms[root]
	for _, p := range peers {
		if !tried[p.ID] {
			continue
		}
		switch p.Status {
		case swap.PeerConnected:
			delete(tried, p.ID)
		case swap.PeerWaiting, swap.PeerFailed, swap.PeerBanned:
			delete(tried, p.ID)
			if len(p.Sources) == 1 { // nobody else named it
				gone = append(gone, p.ID)
			}
			if m != nil {
				m.Failed(p.ID)
			}
		}
	}
	return gone
}

// add adds what was refused to counts by the reason.
func (g *gossip) add(to map[string]uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for why, n := range g.refused {
		to[strings.TrimPrefix(why, "members: ")] += n
	}
}
