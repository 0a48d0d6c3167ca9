package swap

import (
	"slices"
	"sync"
	"time"

	"ringswap/transfer/swap/fair"

	"github.com/libp2p/go-libp2p/core/peer"
)

// uploads shares the way out between the peers that want something: it bounds
// the bytes that are being written at any time, holds the rate, and lets the
// Choker say whose turn it is. It has no goroutine: whoever changes something
// hands out the turns that became possible.
type uploads struct {
	throttle *Throttle
	max      int           // bytes in writing, of all peers
	maxPeer  int           // and of one
	patience time.Duration // how long a write may block while others wait

	mu      sync.Mutex
	choker  fair.Choker
	waiting []*turn       // in the order in which they came
	writing []*turn       // in the order in which they were granted
	bytes   int           // in writing
	typical time.Duration // how long turns take, lately
	timer   *time.Timer
	closed  bool
}

// turn is one stream's claim to write so many bytes.
type turn struct {
	peer    peer.ID
	bytes   int
	since   time.Time
	granted chan struct{} // closed when it may write
	taken   bool          // the peer took it; set by the owner
	kill    func()        // makes the write fail; called when it blocks too long, must not block
}

// enter asks for a turn. The caller waits for turn.granted and then owes leave,
// which it may also call while it is still waiting.
func (u *uploads) enter(p peer.ID, bytes int, kill func()) *turn {
	t := &turn{peer: p, bytes: bytes, since: time.Now(), granted: make(chan struct{}), kill: kill}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.waiting = append(u.waiting, t)
	u.dispatch()
	return t
}

// leave ends a turn, granted or not.
func (u *uploads) leave(t *turn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := slices.Index(u.writing, t); i >= 0 {
		u.writing = slices.Delete(u.writing, i, i+1)
		u.bytes -= t.bytes
		if t.taken {
			u.typical += (time.Since(t.since) - u.typical) / 16
		}
	} else if i := slices.Index(u.waiting, t); i >= 0 {
		u.waiting = slices.Delete(u.waiting, i, i+1)
	}
	u.dispatch()
}

// wake hands out turns after the rate has changed.
func (u *uploads) wake() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dispatch()
}

// close stops the timer and grants nothing more.
func (u *uploads) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	if u.timer != nil {
		u.timer.Stop()
	}
}

// dispatch grants turns until the choker, the rate or the bounds say stop, and
// sees to it that it is called again when time alone may change that.
func (u *uploads) dispatch() {
	for !u.closed {
		fit := u.fitting()
		if len(fit) == 0 {
			break
		}
		now := time.Now()
		if wait, ok := u.throttle.ready(now); !ok {
			u.again(wait)
			return
		}
		i, retry := u.choker.Next(now, u.candidates(fit))
		if i < 0 || i >= len(fit) {
			if retry > 0 {
				u.again(retry)
			}
			return
		}
		t := fit[i]
		u.throttle.spend(now, t.bytes)
		t.since = now
		u.waiting = slices.DeleteFunc(u.waiting, func(w *turn) bool { return w == t })
		u.writing = append(u.writing, t)
		u.bytes += t.bytes
		close(t.granted)
	}
	u.press()
}

// fitting returns the waiting turns for which there is room.
func (u *uploads) fitting() []*turn {
	if len(u.waiting) == 0 {
		return nil
	}
	held := make(map[peer.ID]int, len(u.writing))
	for _, t := range u.writing {
		held[t.peer] += t.bytes
	}
	fit := make([]*turn, 0, len(u.waiting))
	for _, t := range u.waiting {
		if u.bytes+t.bytes <= u.max && held[t.peer]+t.bytes <= u.maxPeer {
			fit = append(fit, t)
		}
	}
	return fit
}

func (u *uploads) candidates(fit []*turn) []fair.Candidate {
	cs := make([]fair.Candidate, len(fit))
	for i, t := range fit {
		cs[i] = fair.Candidate{Peer: t.peer, Since: t.since, Bytes: t.bytes}
	}
	return cs
}

// press ends the write that has been blocked longest if it keeps others from
// their turn for longer than patience, and for much longer than turns take: a
// peer that does not read may hold buffers that nobody needs, and no others.
func (u *uploads) press() {
	if u.closed || len(u.waiting) == 0 || len(u.writing) == 0 || u.bytes+maxTurn <= u.max {
		return
	}
	oldest := u.writing[0]
	patience := max(u.patience, 8*u.typical)
	if wait := patience - time.Since(oldest.since); wait > 0 {
		u.again(wait)
		return
	}
	oldest.kill()
	u.again(patience) // should its writer only now be about to write
}

func (u *uploads) again(wait time.Duration) {
	if wait > time.Hour {
		return // wake comes first
	}
	if u.timer == nil {
		u.timer = time.AfterFunc(wait, u.wake)
		return
	}
	u.timer.Reset(wait)
}
