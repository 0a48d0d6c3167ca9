package kademlia

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// maxMetered bounds how many peers the limiter remembers. A peer's allowance is
// full again after Burst/PerPeer seconds, and then it needs no remembering.
const maxMetered = 4096

// limiter is a token bucket for every peer that asked lately.
type limiter struct {
	peers map[peer.ID]allowance
	swept time.Time
}

type allowance struct {
	tokens float64
	at     time.Time // when tokens was right
}

// allow takes a token of p's, or reports that p has none left.
func (l *limiter) allow(now time.Time, p peer.ID, cfg *LimitConfig) bool {
	if cfg.PerPeer < 0 {
		return true
	}
	if l.peers == nil {
		l.peers = make(map[peer.ID]allowance)
	}
	a, ok := l.peers[p]
	if !ok {
		if len(l.peers) >= maxMetered {
			l.sweep(now, cfg)
		}
		if len(l.peers) >= maxMetered {
			return false
		}
		a = allowance{tokens: float64(cfg.Burst), at: now}
	}
	a.refill(now, cfg)
	if a.tokens < 1 {
		l.peers[p] = a
		return false
	}
	a.tokens--
	l.peers[p] = a
	return true
}

func (a *allowance) refill(now time.Time, cfg *LimitConfig) {
	a.tokens = min(a.tokens+now.Sub(a.at).Seconds()*cfg.PerPeer, float64(cfg.Burst))
	a.at = now
}

// sweep forgets the peers whose allowance is full, at most once a second.
func (l *limiter) sweep(now time.Time, cfg *LimitConfig) {
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for p, a := range l.peers { // the order does not matter: each is judged alone
		if a.refill(now, cfg); a.tokens >= float64(cfg.Burst) {
			delete(l.peers, p)
		}
	}
}
