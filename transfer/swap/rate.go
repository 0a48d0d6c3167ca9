package swap

import (
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is a bound on bytes per second. The zero Rate is no bound.
type Rate int64

const (
	// Unlimited is no bound.
	Unlimited Rate = 0
	// None lets nothing through: a server that serves nobody.
	None Rate = -1
)

func (r Rate) validate() error {
	if r < None {
		return fmt.Errorf("swap: a rate of %d bytes a second", int64(r))
	}
	return nil
}

// Bounds of what one grant may be under a limit, so that many peers share a
// slow link in small turns and a fast one in large.
const (
	minTurn = 16 << 10
	maxTurn = 256 << 10
)

// turnBytes is the largest grant under rate r: a quarter of a second's worth.
func (r Rate) turnBytes() int {
	if r <= 0 {
		return maxTurn
	}
	return int(min(max(int64(r)/4, minTurn), maxTurn))
}

// Throttle bounds a flow of bytes; several sessions may share one. It is safe
// for concurrent use, and changing it takes effect at once.
type Throttle struct {
	mu    sync.Mutex
	rate  Rate
	lim   *rate.Limiter
	moved chan struct{} // closed and replaced when the rate changes
}

// NewThrottle makes a throttle of that rate.
func NewThrottle(r Rate) *Throttle {
	t := &Throttle{lim: rate.NewLimiter(rate.Inf, 0), moved: make(chan struct{})}
	t.Set(r)
	return t
}

// Set changes the rate.
func (t *Throttle) Set(r Rate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rate = r
	if r > 0 {
		t.lim.SetBurst(2 * r.turnBytes())
		t.lim.SetLimit(rate.Limit(r))
	} else {
		t.lim.SetLimit(rate.Inf)
	}
	close(t.moved)
	t.moved = make(chan struct{})
}

// Rate returns the current rate.
func (t *Throttle) Rate() Rate {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rate
}

// touch tells those who follow changes to look again.
func (t *Throttle) touch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.moved)
	t.moved = make(chan struct{})
}

// changes returns a channel that is closed when the rate changes.
func (t *Throttle) changes() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.moved
}

// ready reports whether a turn of turnBytes may flow now, and if not, how long
// that will take.
func (t *Throttle) ready(now time.Time) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.rate {
	case None:
		return math.MaxInt64, false
	case Unlimited:
		return 0, true
	}
	missing := float64(t.rate.turnBytes()) - t.lim.TokensAt(now)
	if missing <= 0 {
		return 0, true
	}
	return t.rate.lasts(missing), false
}

// lasts is how long so many bytes take, a little over.
func (r Rate) lasts(bytes float64) time.Duration {
	return time.Duration(bytes/float64(r)*float64(time.Second)) + 100*time.Microsecond
}

// avail returns how many bytes may flow now.
func (t *Throttle) avail(now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.rate {
	case None:
		return 0
	case Unlimited:
		return math.MaxInt
	}
	return max(int(t.lim.TokensAt(now)), 0)
}

// spend takes n bytes that avail allowed, and returns when the next minTurn
// bytes may flow; the zero time if now or if only a change of the rate will help.
func (t *Throttle) spend(now time.Time, n int) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rate <= 0 {
		return time.Time{}
	}
	t.lim.ReserveN(now, min(n, t.lim.Burst())) // which may go below zero
	missing := minTurn - t.lim.TokensAt(now)
	if missing <= 0 {
		return time.Time{}
	}
	return now.Add(t.rate.lasts(missing))
}
