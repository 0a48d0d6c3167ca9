// Package limit bounds how much each peer may ask of a protocol core: a token
// bucket for everyone who asked lately, in bounded memory. Start at [Peers].
package limit

import (
	"slices"
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

	// few are the latest requests while there are so few that nobody can have used
	// up his allowance; then there are no peers.
	few   []request
	peers map[peer.ID]allowance
	swept time.Time
}

// maxFew is the most requests that are only listed.
const maxFew = 16

// request is a token that was taken.
type request struct {
	from peer.ID
	at   time.Time
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
	if len(l.peers) == 0 {
		if l.drop(now); len(l.few) < min(maxFew, l.Burst) {
			l.few = append(l.few, request{p, now})
			return true
		}
		l.account()
	}
	return l.take(now, p)
}

// drop forgets listed requests whose tokens are there again.
func (l *Peers) drop(now time.Time) {
	full := time.Duration(float64(l.Burst) / l.PerSecond * float64(time.Second))
	n := 0
	for n < len(l.few) && now.Sub(l.few[n].at) >= full {
		n++
	}
	if n > 0 {
		l.few = slices.Delete(l.few, 0, n)
	}
}

// account makes allowances of the listed requests.
func (l *Peers) account() {
	l.peers = make(map[peer.ID]allowance)
	for _, r := range l.few {
		l.take(r.at, r.from)
	}
	l.few = nil
}

// take takes a token out of p's allowance.
func (l *Peers) take(now time.Time, p peer.ID) bool {
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
	l.drop(now)
	for p, a := range l.peers { // the order does not matter: each is judged alone
		if l.refill(&a, now); a.tokens >= float64(l.Burst) {
			delete(l.peers, p)
		}
	}
}

// Len is the number of peers that are remembered.
func (l *Peers) Len() int {
	n := len(l.peers)
	for i, r := range l.few {
		if !slices.ContainsFunc(l.few[:i], func(o request) bool { return o.from == r.from }) {
			n++
		}
	}
	return n
}
