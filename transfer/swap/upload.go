package swap

import (
	"slices"
	"sync"
	"time"

	"ringswap/transfer/swap/fair"
	"ringswap/transfer/swap/wire"

	"github.com/libp2p/go-libp2p/core/peer"
)

// uploads shares the way out between the peers that want something: it bounds
// the bytes that are being written at any time, holds the rate, lets the Choker
// say whose turn it is, and tells those who wait for long why. It has no goroutine:
// whoever changes something hands out the turns that became possible.
type uploads struct {
	throttle *Throttle
	roots    *rootLimits
	ledger   *Ledger
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
	due     time.Time // when the timer fires; zero if it does not
	closed  bool
	scratch scratch
}

// scratch is what every turn is decided with; it is kept from one to the next.
type scratch struct {
	held map[peer.ID]int // bytes in writing
	fit  []*turn
	as   []fair.Candidate // fit, as the choker sees it
}

// turn is one stream's claim to write so many bytes.
type turn struct {
	fair.Candidate
	began   time.Time     // when it was granted
	granted chan struct{} // closed when it may write
	taken   bool          // the peer took it; set by the owner
	sent    int           // bytes of blocks that were written; set by the owner
	kill    func()        // makes the write fail; called when it blocks too long, must not block
	choke   func(wire.Choke)
	choked  bool // choke was called, or need not be
}

// How long a turn waits until its peer is told so: soon if nobody is served who
// does not give, later if others come first.
const (
	chokeRefused = 100 * time.Millisecond
	chokeWaiting = time.Second
)

// enter asks for the turn t, of which Candidate, kill and, if the peer is to be
// told that it waits, choke are set; both must not block. The caller waits for
// t.granted and then owes leave, which it may also call while it is still waiting.
func (u *uploads) enter(t *turn) {
	t.granted = make(chan struct{})
	t.choked = t.choked || t.choke == nil
	u.mu.Lock()
	defer u.mu.Unlock()
	u.waiting = append(u.waiting, t)
	u.dispatch()
}

// leave ends a turn, granted or not.
func (u *uploads) leave(t *turn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := slices.Index(u.writing, t); i >= 0 {
		u.writing = slices.Delete(u.writing, i, i+1)
		u.bytes -= t.Bytes
		u.ledger.settle(t.Candidate, t.sent)
		if t.taken {
			u.typical += (time.Since(t.began) - u.typical) / 16
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
	u.due = time.Time{}
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
	refused := false
	for !u.closed {
		now := time.Now()
		fit := u.fitting(now)
		if len(fit) == 0 {
			u.press()
			break
		}
		if wait, ok := u.throttle.ready(now); !ok {
			u.again(wait)
			break
		}
		i, retry := u.ledger.choose(u.choker, now, u.candidates(fit))
		if i < 0 || i >= len(fit) {
			refused = true
			if retry > 0 {
				u.again(retry)
			}
			break
		}
		u.grant(now, fit[i])
	}
	u.tell(refused)
}

func (u *uploads) grant(now time.Time, t *turn) {
	u.throttle.spend(now, t.Bytes)
	u.roots.spend(now, t.Root, t.Bytes)
	t.began = now
	u.waiting = slices.DeleteFunc(u.waiting, func(w *turn) bool { return w == t })
	u.writing = append(u.writing, t)
	u.bytes += t.Bytes
	close(t.granted)
}

// tell lets those know that they wait who have done so for long. refused says that
// the choker has just served none of them.
func (u *uploads) tell(refused bool) {
	if u.closed {
		return
	}
	now := time.Now()
	for _, t := range u.waiting {
		if t.choked {
			continue
		}
		why, patience := u.ledger.waits(u.choker, t.Candidate), chokeWaiting
		if refused && why.Reason == wire.ChokeCredit {
			patience = chokeRefused
		}
		if wait := patience - now.Sub(t.Since); wait > 0 {
			u.again(wait)
			continue
		}
		t.choked = true
		t.choke(why)
	}
}

// fitting returns the waiting turns for which there is room, and which the bounds
// of their roots let through. The slice is good until the next call.
func (u *uploads) fitting(now time.Time) []*turn {
	s := &u.scratch
	if s.held == nil {
		s.held = make(map[peer.ID]int)
	}
	held, fit := s.held, s.fit[:0]
	clear(held)
	clear(s.fit) // turns that are over
	for _, t := range u.writing {
		held[t.Peer] += t.Bytes
	}
	for _, t := range u.waiting {
		if u.bytes+t.Bytes > u.max || held[t.Peer]+t.Bytes > u.maxPeer {
			continue
		}
		if wait, ok := u.roots.ready(now, t.Root); !ok {
			u.again(wait)
			continue
		}
		fit = append(fit, t)
	}
	s.fit = fit
	return fit
}

// candidates is good until the next call: a choker keeps nothing of it.
func (u *uploads) candidates(fit []*turn) []fair.Candidate {
	as := u.scratch.as[:0]
	for _, t := range fit {
		as = append(as, t.Candidate)
	}
	u.scratch.as = as
	return as
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
	if wait := patience - time.Since(oldest.began); wait > 0 {
		u.again(wait)
		return
	}
	oldest.kill()
	u.again(patience) // should its writer only now be about to write
}

// again has dispatch called after wait, or earlier.
func (u *uploads) again(wait time.Duration) {
	at := time.Now().Add(wait)
	if wait > time.Hour || !u.due.IsZero() && !at.Before(u.due) {
		return // wake comes first
	}
	u.due = at
	if u.timer == nil {
		u.timer = time.AfterFunc(wait, u.wake)
		return
	}
	u.timer.Reset(wait)
}
