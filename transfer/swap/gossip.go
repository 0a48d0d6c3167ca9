package swap

import (
	"math/rand/v2"
	"time"

	"ringswap/transfer/swap/wire"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

// Gossip is how a node hears of other members of a swarm from those it exchanges
// blocks with, and tells them. Its methods are called concurrently from the
// goroutines of streams, and must not block.
type Gossip interface {
	// Heard is called with what from says: at most wire.MaxMembers peers, with
	// addresses that are well-formed and nothing more, at most once in
	// [GossipInterval] for each stream. It must copy what it keeps of the slice.
	Heard(root cid.Cid, from peer.ID, members []peer.AddrInfo)
	// Tell returns whom to name to the peer to; none if it is empty. It is called
	// a moment after a stream was opened and about twice a minute from then on.
	Tell(root cid.Cid, to peer.ID) []peer.AddrInfo
}

// GossipInterval is the least time between two Peers frames of one side of a
// stream that are listened to.
const GossipInterval = 10 * time.Second

// When members are named on a stream, each about: those who were told of each other
// at one moment would dial each other at one moment.
const (
	gossipFirst = 250 * time.Millisecond
	gossipEvery = 30 * time.Second
)

// about draws a time that is up to a quarter shorter or longer than d.
func about(d time.Duration) time.Duration { return d - d/4 + rand.N(d/2+1) }

// infos are the members of a frame.
func infos(m wire.Peers) []peer.AddrInfo {
	out := make([]peer.AddrInfo, len(m.Members))
	for i, p := range m.Members {
		out[i] = p.Info()
	}
	return out
}

// features are those that a side offers.
func features(g Gossip) wire.Features {
	f := wire.FeatureChoke | wire.FeatureVouch
	if g != nil {
		f |= wire.FeaturePeers
	}
	return f
}

func (s *Server) features() wire.Features { return features(s.cfg.Gossip) | wire.FeatureOrder }

func (s *Session) features() wire.Features {
	f := features(s.cfg.Gossip)
	if s.cfg.InOrder {
		f |= wire.FeatureOrder
	}
	return f
}

// Signatures are dear: a peer may have so many of them checked a second. Those who
// have dealt with a thousand others bring their vouches in ten seconds.
const (
	vouchesPerSecond = 100
	vouchBurst       = 256
)

// hearing bounds what is listened to of what a peer says about others.
type hearing struct {
	vouches *rate.Limiter
	members time.Time // when it may next name members
}

func newHearing() hearing {
	return hearing{vouches: rate.NewLimiter(vouchesPerSecond, vouchBurst)}
}

func (h *hearing) vouch(now time.Time) bool { return h.vouches.AllowN(now, 1) }

func (h *hearing) peers(now time.Time) bool {
	if now.Before(h.members) {
		return false
	}
	h.members = now.Add(GossipInterval)
	return true
}
