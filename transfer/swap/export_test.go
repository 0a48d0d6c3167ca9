package swap

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Held is how many bytes of memory the session's blocks take: those that are under
// way, being verified or being delivered; and how many its idle buffers.
func (s *Session) Held() (used, idle int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.peers {
		for _, r := range p.requests {
			used += cap(r.buf)
		}
	}
	for _, v := range s.in.arrivals {
		for _, p := range v.parts {
			used += cap(p.data)
		}
	}
	return used, s.in.buffers.bytes
}

// Attempt opens a stream to a peer that s may know nothing of, as the goroutine of one
// does that was forgotten just before.
func (s *Session) Attempt(info peer.AddrInfo) error {
	return (&downstream{s: s, id: info.ID, info: info}).attempt()
}

// Thanking is cfg with so long between two looks at what there is to say to peers.
func (cfg SessionConfig) Thanking(every time.Duration) SessionConfig {
	cfg.thanks = every
	return cfg
}
