package swap

import (
	"slices"
	"strings"
	"time"

	"ringswap/transfer/swap/wire"

	"github.com/libp2p/go-libp2p/core/peer"
)

// PeerStatus is how far a session has come with a peer.
type PeerStatus int

// The states of a peer, in the order in which it goes through them.
const (
	PeerQueued    PeerStatus = iota // waits for a place
	PeerDialing                     // is being connected
	PeerConnected                   // its stream is open
	PeerWaiting                     // was lost, and is tried again later
	PeerFailed                      // was given up until it is added again
	PeerBanned                      // broke the protocol or sent wrong bytes
)

func (s PeerStatus) String() string {
	switch s {
	case PeerQueued:
		return "queued"
	case PeerDialing:
		return "dialing"
	case PeerConnected:
		return "connected"
	case PeerWaiting:
		return "waiting"
	case PeerFailed:
		return "failed"
	case PeerBanned:
		return "banned"
	}
	return "?"
}

// PeerStats is what a session knows of one peer.
type PeerStats struct {
	ID      peer.ID
	Sources []string // who said that it has the root
	Status  PeerStatus
	Reason  string // why it is banned, or why it last failed
	Relayed bool   // over a relay, which bounds what goes through it
	RTT     time.Duration
	Rate    float64 // bytes a second, lately, while something was asked of it
	// Received are the bytes of blocks that came from it, Verified those in
	// blocks that matched their CID.
	Received, Verified int64
	Asked              int // bytes asked for and still to come
	Complete           bool
	Nothing            bool // it said that it has nothing of the root
	Chunks             int  // that it says it has, if it is not complete
	// Choke is what the peer says of why this node waits for it, nil if it serves.
	Choke *wire.Choke
	// Standing is how the peer stands with this node, whose server goes by it.
	Standing Standing
}

// Peers lists every peer that was added, by ID.
func (s *Session) Peers() []PeerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	out := make([]PeerStats, 0, len(s.peers))
	for _, p := range s.peers {
		st := PeerStats{
			ID: p.id, Sources: slices.Clone(p.sources), Status: p.status, Reason: p.reason,
			Relayed: p.limited, Received: p.received, Verified: p.verified,
			Complete: p.holds.Status == wire.StatusComplete,
			Nothing:  p.holds.Version != 0 && p.holds.Status == wire.StatusUnknown,
			Standing: s.cfg.Ledger.Standing(s.root, p.id),
		}
		if p.choke != nil && p.status == PeerConnected {
			choke := *p.choke
			st.Choke = &choke
		}
		if k, ok := s.picker.Peer(now, p.id); ok {
			st.RTT, st.Rate, st.Asked, st.Chunks = k.RTT, k.Rate, k.Asked, k.Have
		}
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b PeerStats) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// Availability returns, for each of so many chunks, how many connected peers have
// it, and the indexes of the chunks that are under way, in no order.
func (s *Session) Availability(chunks int) (peers []uint16, active []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.picker.Availability(chunks)
}

// SessionState sums up a session.
type SessionState struct {
	Connected int   // peers with an open stream
	Trying    int   // peers that are being connected, or will be
	Received  int64 // bytes of blocks that came
	Verified  int64 // bytes in blocks that matched
	// Starving is since when something was wanted and nobody connected could
	// deliver any of it; zero if somebody can or nothing is wanted.
	Starving time.Time
}

// State sums up the session.
func (s *Session) State() SessionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := SessionState{Starving: s.starving}
	for _, p := range s.peers {
		st.Received += p.received
		st.Verified += p.verified
		switch p.status {
		case PeerConnected:
			st.Connected++
		case PeerQueued, PeerDialing, PeerWaiting:
			st.Trying++
		}
	}
	return st
}

// AddPeer offers a peer that may have the root; source says who named it. A
// peer that is known is given the new addresses, and tried again if it was
// given up; one that is banned stays so. It reports whether the peer is new.
func (s *Session) AddPeer(info peer.AddrInfo, source string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || info.ID == "" || info.ID == s.host.ID() {
		return false
	}
	p, known := s.peers[info.ID]
	if !known {
		if len(s.peers) >= 9*s.cfg.MaxPeers && !s.forgetFailed() {
			return false
		}
		p = &downstream{s: s, id: info.ID, info: peer.AddrInfo{ID: info.ID}}
		if why := s.cfg.Ledger.banned(s.root, info.ID); why != "" { // by an earlier session
			p.banned, p.status, p.reason = true, PeerBanned, why
		}
		s.peers[info.ID] = p
	}
	p.source(source)
	for _, a := range info.Addrs {
		if len(p.info.Addrs) < 32 && !slices.ContainsFunc(p.info.Addrs, a.Equal) {
			p.info.Addrs = append(slices.Clip(p.info.Addrs), a) // run may be reading it
		}
	}
	if !p.banned && !p.started {
		p.started, p.fails, p.status = true, 0, PeerQueued
		s.queue = append(s.queue, p)
		s.startQueued()
	}
	return !known
}

// Forget ends the attempts to reach a peer that is not connected, as if it had never
// been added. One that is banned stays so.
func (s *Session) Forget(id peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peers[id]
	if p == nil || p.status != PeerQueued && p.status != PeerWaiting && p.status != PeerFailed {
		return
	}
	delete(s.peers, id)
	s.queue = slices.DeleteFunc(s.queue, func(q *downstream) bool { return q == p })
}

// outlaw makes the entry of a peer that is banned after it was forgotten, so that it
// is not let in again. If there is no room for it, it is only forgotten.
func (s *Session) outlaw(id peer.ID) *downstream {
	p := &downstream{s: s, id: id, info: peer.AddrInfo{ID: id}}
	if len(s.peers) < 9*s.cfg.MaxPeers || s.forgetFailed() {
		s.peers[id] = p
	}
	return p
}

// forgetFailed makes room by forgetting a peer that was given up.
func (s *Session) forgetFailed() bool {
	for id, p := range s.peers {
		if p.status == PeerFailed {
			delete(s.peers, id)
			return true
		}
	}
	return false
}

// startQueued gives free places to waiting peers. s.mu is held.
func (s *Session) startQueued() {
	for !s.closed && s.running < s.cfg.MaxPeers && len(s.queue) > 0 {
		p := s.queue[0]
		s.queue = s.queue[1:]
		s.running++
		s.wg.Add(1)
		go p.run()
	}
}
