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
// enoughPeers are connected or are being tried. A member that the transfer has given
// up although it is still here, and asks for blocks, is tried anew after tryAnew.
const (
	gossipLook  = 250 * time.Millisecond
	tryAtOnce   = 4
	enoughPeers = 32
	tryAnew     = time.Minute
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
	f := follower{root: root, session: s, tried: make(map[peer.ID]bool), again: make(map[peer.ID]time.Time)}
	for pause(ctx, gossipLook) {
		peers := s.Peers()
		for _, id := range g.judge(peers, &f) {
			s.Forget(id)
		}
		here, named := g.next(root, s.State(), f.tried)
		for _, id := range here {
			if f.wants(time.Now(), id, peers) {
				s.AddPeer(peer.AddrInfo{ID: id}, sourceSwarm) // connected: no address is needed
			}
		}
		for _, p := range named { // who is known and was given up is tried at the new addresses
			s.AddPeer(p, sourceSwarm)
		}
	}
}

// follower is a transfer that uses the members of its swarm.
type follower struct {
	root    cid.Cid
	session *swap.Session
	tried   map[peer.ID]bool      // who was named and is being tried
	again   map[peer.ID]time.Time // when to try those who were given up
}

// wants reports whether to try a member that is here now: one that the transfer does
// not know, or has given up for long enough.
func (f *follower) wants(now time.Time, id peer.ID, peers []swap.PeerStats) bool {
	i := slices.IndexFunc(peers, func(known swap.PeerStats) bool { return known.ID == id })
	switch {
	case i < 0:
		return true
	case peers[i].Status != swap.PeerFailed:
		delete(f.again, id)
		return false
	}
	switch at, waits := f.again[id]; {
	case !waits:
		f.again[id] = now.Add(tryAnew)
	case now.After(at):
		delete(f.again, id)
		return true
	}
	return false
}

// next is whom a transfer should try now: who is here, and some of those that were
// named. The latter are added to tried.
func (g *gossip) next(root cid.Cid, s swap.SessionState, tried map[peer.ID]bool) (here []peer.ID, named []peer.AddrInfo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.swarm(root)
	if m == nil {
		return nil, nil
	}
	if s.Connected+s.Trying < enoughPeers {
		named = m.Try(time.Now(), tryAtOnce)
	}
	for _, p := range named {
		tried[p.ID] = true
	}
	return m.Here(), named
}

// judge looks what became of those who were tried, and returns those who are out of
// reach: they are forgotten, and how often a stranger's word is worth another attempt
// is for package members to say. That somebody is there, his presence says.
func (g *gossip) judge(peers []swap.PeerStats, f *follower) (gone []peer.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m, tried := g.swarms[f.root], f.tried
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
				m.Failed(time.Now(), p.ID)
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
