package overlay

import (
	ma "github.com/multiformats/go-multiaddr"

	"github.com/libp2p/go-libp2p/core/peer"
)

// MaxAddrs is the most addresses of one contact that a node keeps or passes on.
const MaxAddrs = 32

// Contact is a node as others know it: where it stands in the keyspace, who it
// is, and where it may be reached. A Contact is immutable: its Addrs are shared
// by everyone who holds a copy and must not be written to.
type Contact struct {
	ID    ID
	Peer  peer.ID
	Addrs []ma.Multiaddr
}

// NewContact makes the contact of a peer at its natural place, sha256 of its
// peer ID. It takes ownership of addrs.
func NewContact(p peer.ID, addrs ...ma.Multiaddr) Contact {
	return Contact{ID: PeerPlace(p), Peer: p, Addrs: addrs}
}

// AddrInfo is the contact as libp2p wants it.
func (c Contact) AddrInfo() peer.AddrInfo { return peer.AddrInfo{ID: c.Peer, Addrs: c.Addrs} }

// IsZero reports whether c names no peer.
func (c Contact) IsZero() bool { return c.Peer == "" }
