// Package limit bounds how much each peer may ask of a protocol core: a token
// bucket for everyone who asked lately, in bounded memory. Start at [Peers].
package limit

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// MaxPeers bounds how many peers a [Peers] remembers. A peer's allowance is full
// again after Burst/PerSecond seconds, and then it needs no remembering; while so
// many peers use theirs at the same time, further ones are refused.
const MaxPeers = 4096

// Peers is a token bucket for every peer that asked lately.
type Peers struct {
	// PerSecond is the number of requests a second that a peer may send for long;
	// a negative one lifts the limit.
	PerSecond float64
	// Burst is the number of requests that a peer may send at once.
	Burst int

	peers map[peer.ID]allowance
	swept time.Time
}

type allowance struct {
	tokens float64
	at     time.Time // when tokens was right
}

// Allow takes a token of p's, or reports that p has none left.
func (l *Peers) Allow(now time.Time, p peer.ID) bool {
	if l.PerSecond < 0 {
		return true
	}
	if l.peers == nil {
		l.peers = make(map[peer.ID]allowance)
	}
	a, ok := l.peers[p]
	if !ok {
		if len(l.peers) >= MaxPeers {
			l.Sweep(now)
		}
		if len(l.peers) >= MaxPeers {
			return false
		}
		a = allowance{tokens: float64(l.Burst), at: now}
	}
	l.refill(&a, now)
	if a.tokens < 1 {
		l.peers[p] = a
		return false
	}
	a.tokens--
	l.peers[p] = a
	return true
}

func (l *Peers) refill(a *allowance, now time.Time) {
	a.tokens = min(a.tokens+now.Sub(a.at).Seconds()*l.PerSecond, float64(l.Burst))
	a.at = now
}

// Sweep forgets the peers whose allowance is full, at most once a second.
func (l *Peers) Sweep(now time.Time) {
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for p, a := range l.peers { // the order does not matter: each is judged alone
		if l.refill(&a, now); a.tokens >= float64(l.Burst) {
			delete(l.peers, p)
		}
	}
}

// Len is the number of peers that are remembered.
func (l *Peers) Len() int { return len(l.peers) }
