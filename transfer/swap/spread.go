package swap

import (
	"math/rand/v2"
	"time"

	"ringswap/transfer/swap/pick"
)

// spreadIdle is how long a peer may ask for nothing before it is told of more.
const spreadIdle = 250 * time.Millisecond

// MinSpread is the least number of chunks that are worth spreading.
const MinSpread = 8

// Spread makes a complete holding begin by naming other chunks to each peer, as
// suits the only one that has them (super-seeding): see pick.Spread. chunks is
// how many the root's DAG has. It does nothing if they are too many or too few, or
// if the size is not known. It returns h.
func (h *Holding) Spread(chunks int) *Holding {
	h.mu.Lock()
	defer h.mu.Unlock()
	size := h.size.Load()
	if h.have != nil || h.spread != nil || h.closed || chunks < MinSpread || chunks > pick.MaxSpread || size < int64(chunks) {
		return h
	}
	h.chunks = chunks
	h.spread = pick.NewSpread(pick.SpreadConfig{
		Chunks: h.chunks, Size: size, Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	})
	return h
}

// spreads reports whether the follower is to be told of a part only. One that is
// told anew is told everything. h.mu is held.
func (f *follower) spreads(first bool) bool {
	s := f.h.spread
	switch {
	case s == nil:
		return false
	case !f.joined:
		if f.joined, f.view = true, s.Join(); f.whole {
			f.view = nil
		}
	case first, s.Over():
		f.view = nil
	}
	return f.view != nil
}

// name appends the Have frames of what the peer is to know now of what is spread.
// sent is all that was sent to it; dry says that it asks for nothing.
func (f *follower) name(b []byte, now time.Time, sent int64, dry bool) []byte {
	f.h.mu.Lock()
	defer f.h.mu.Unlock()
	s := f.h.spread
	if s == nil || !f.joined || s.Over() {
		return b
	}
	if f.view == nil {
		s.Sent(sent - f.sent)
	} else {
		f.view.Sent(sent - f.sent)
	}
	f.sent = sent
	if s.Over() {
		f.h.wake()
	}
	if f.view == nil || s.Over() {
		return b
	}
	chunks := f.view.Next(dry, now.Sub(f.named) >= spreadIdle)
	if len(chunks) == 0 {
		return b
	}
	f.named = now
	added := make([]uint32, len(chunks))
	for i, c := range chunks {
		added[i] = uint32(c)
	}
	return appendHaves(b, added)
}

// spreading reports whether the follower's peer is told more from time to time.
func (f *follower) spreading() bool {
	f.h.mu.Lock()
	defer f.h.mu.Unlock()
	return f.view != nil
}

// complete reports whether everything is here, whatever the peer was told.
func (f *follower) complete() bool {
	f.h.mu.Lock()
	defer f.h.mu.Unlock()
	return f.h.have == nil && !f.h.closed
}

// leave ends the following.
func (f *follower) leave() {
	f.h.mu.Lock()
	defer f.h.mu.Unlock()
	if f.joined {
		f.h.spread.Leave()
	}
}
