package node

import (
	"sync"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/transfer/swap"
)

// flows measures how much goes out and comes in of each root.
type flows struct {
	mu    sync.Mutex
	at    time.Time
	last  map[cid.Cid]swap.Totals
	rate  map[cid.Cid]flow
	spent map[cid.Cid]int64 // sent since take
}

// flow is in bytes a second.
type flow struct{ in, out float64 }

func newFlows() *flows {
	return &flows{at: time.Now(), last: make(map[cid.Cid]swap.Totals), spent: make(map[cid.Cid]int64)}
}

// sample takes the sums of all roots as they are now. A sum that is less than the
// last time began anew.
func (f *flows) sample(now time.Time, sums map[cid.Cid]swap.Totals) {
	f.mu.Lock()
	defer f.mu.Unlock()
	took := now.Sub(f.at).Seconds()
	if took <= 0 {
		return
	}
	f.rate = make(map[cid.Cid]flow)
	for root, sum := range sums {
		before := f.last[root]
		in, out := grown(before.Received, sum.Received), grown(before.Sent, sum.Sent)
		if in+out > 0 {
			f.rate[root] = flow{float64(in) / took, float64(out) / took}
		}
		if out > 0 {
			f.spent[root] += out
		}
	}
	f.at, f.last = now, sums
}

func grown(before, now int64) int64 {
	if now < before {
		return now
	}
	return now - before
}

// take returns the bytes that were sent of each root since it was last called.
func (f *flows) take() map[cid.Cid]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	spent := f.spent
	f.spent = make(map[cid.Cid]int64)
	return spent
}

// rates are those of a root, in bytes a second, over the last few seconds.
func (f *flows) rates(root cid.Cid) (in, out float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rate[root]
	return r.in, r.out
}
