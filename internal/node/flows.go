package node

import (
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap"
)

// flows measures how much goes out and comes in of each root.
type flows struct {
	mu    sync.Mutex
	at    time.Time
	last  map[cid.Cid]swap.Totals
	rate  map[cid.Cid]flow
	spent map[cid.Cid]int64 // sent since take

	toPeers map[upload]int64 // what went to peers, in all
	upRates map[upload]float64
}

// upload is what goes to a peer of a root.
type upload struct {
	root cid.Cid
	peer peer.ID
}

// flow is in bytes a second.
type flow struct{ in, out float64 }

func newFlows() *flows {
	return &flows{at: time.Now(), last: make(map[cid.Cid]swap.Totals), spent: make(map[cid.Cid]int64)}
}

// sample takes the sums of all roots, and what is served, as they are now. A sum that is less than the
// last time began anew.
func (f *flows) sample(now time.Time, sums map[cid.Cid]swap.Totals, uploads []swap.Upload) {
	f.mu.Lock()
	defer f.mu.Unlock()
	took := now.Sub(f.at).Seconds()
	if took <= 0 {
		return
	}
	f.sampleUploads(took, uploads)
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

func (f *flows) sampleUploads(took float64, uploads []swap.Upload) {
	before := f.toPeers
	f.toPeers, f.upRates = make(map[upload]int64), make(map[upload]float64)
	for _, u := range uploads {
		f.toPeers[upload{u.Root, u.Peer}] += u.Sent
	}
	for u, sent := range f.toPeers {
		f.upRates[u] = float64(grown(before[u], sent)) / took
	}
}

// upRate is how fast a root goes to a peer, in bytes a second.
func (f *flows) upRate(root cid.Cid, p peer.ID) float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.upRates[upload{root, p}]
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
