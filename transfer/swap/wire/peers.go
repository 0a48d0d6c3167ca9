package wire

import (
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Bounds of a Peers frame.
const (
	// MaxMembers is the most members that one frame names.
	MaxMembers = 32
	// MaxMemberAddrs is the most addresses of one member.
	MaxMemberAddrs = 8
	// MaxAddr is the longest binary address, in bytes.
	MaxAddr = 192
)

// Member is a peer of a swarm and where it was reached. Addresses are binary
// multiaddrs; those of protocols that the receiver does not know are no mistake.
type Member struct {
	ID    peer.ID
	Addrs [][]byte
}

// NewMember names a peer by those of its addresses that fit, in their order.
func NewMember(p peer.AddrInfo) Member {
	m := Member{ID: p.ID}
	for _, a := range p.Addrs {
		if b := a.Bytes(); len(b) > 0 && len(b) <= MaxAddr && len(m.Addrs) < MaxMemberAddrs {
			m.Addrs = append(m.Addrs, b)
		}
	}
	return m
}

// Info returns the member with the addresses that this side understands. One
// that names a peer at its end is left out: it is the member's own, or another's.
func (m Member) Info() peer.AddrInfo {
	info := peer.AddrInfo{ID: m.ID}
	for _, b := range m.Addrs {
		a, err := ma.NewMultiaddrBytes(b)
		if err != nil {
			continue
		}
		if _, last := ma.SplitLast(a); last == nil || last.Protocol().Code == ma.P_P2P {
			continue
		}
		info.Addrs = append(info.Addrs, a)
	}
	return info
}

// Peers names members of the swarm that the stream is about, 1 to MaxMembers, in
// ascending order of their binary IDs.
type Peers struct{ Members []Member }

// NewPeers names members; at most the first MaxMembers of them.
func NewPeers(members []peer.AddrInfo) Peers {
	var m Peers
	for _, p := range members {
		if len(m.Members) < MaxMembers && !slices.ContainsFunc(m.Members, func(o Member) bool { return o.ID == p.ID }) {
			m.Members = append(m.Members, NewMember(p))
		}
	}
	slices.SortFunc(m.Members, func(a, b Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return m
}

// Append appends the frame to b. The members must be as Peers demands.
func (m Peers) Append(b []byte) []byte {
	var body []byte
	for _, p := range m.Members {
		body = appendBytes(body, []byte(p.ID))
		body = appendUint(body, uint64(len(p.Addrs)))
		for _, a := range p.Addrs {
			body = appendBytes(body, a)
		}
	}
	return AppendFrame(b, TypePeers, body)
}

// ParsePeers parses the body of a Peers frame. It copies what it keeps.
func ParsePeers(b []byte) (Peers, error) {
	var m Peers
	for len(b) > 0 {
		if len(m.Members) == MaxMembers {
			return Peers{}, violation("more than %d members", MaxMembers)
		}
		var p Member
		var err error
		if p, b, err = takeMember(b); err != nil {
			return Peers{}, err
		}
		if n := len(m.Members); n > 0 && m.Members[n-1].ID >= p.ID {
			return Peers{}, violation("members out of order")
		}
		m.Members = append(m.Members, p)
	}
	if len(m.Members) == 0 {
		return Peers{}, violation("no members")
	}
	return m, nil
}

func takeMember(b []byte) (m Member, rest []byte, err error) {
	if m.ID, b, err = takePeer(b); err != nil {
		return Member{}, nil, err
	}
	n, b, err := takeUint(b)
	if err != nil {
		return Member{}, nil, err
	}
	if n > MaxMemberAddrs {
		return Member{}, nil, violation("%d addresses of a member", n)
	}
	for range n {
		var a []byte
		if a, b, err = takeBytes(b, MaxAddr); err != nil {
			return Member{}, nil, err
		}
		m.Addrs = append(m.Addrs, append([]byte(nil), a...))
	}
	return m, b, nil
}
