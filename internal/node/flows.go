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

	up, down perPeer
}

// pair is a peer of a root.
type pair struct {
	root cid.Cid
	peer peer.ID
}

// perPeer measures one direction.
type perPeer struct {
	sums  map[pair]int64 // bytes, in all
	rates map[pair]float64
}

// sample takes the sums as they are after took seconds more.
func (p *perPeer) sample(took float64, sums map[pair]int64) {
	p.rates = make(map[pair]float64, len(sums))
	for who, sum := range sums {
		p.rates[who] = float64(grown(p.sums[who], sum)) / took
	}
	p.sums = sums
}

// flow is in bytes a second.
type flow struct{ in, out float64 }

func newFlows() *flows {
	return &flows{at: time.Now(), last: make(map[cid.Cid]swap.Totals), spent: make(map[cid.Cid]int64)}
}

// sample takes the sums of all roots, and those of their peers each way, as they are
// now. A sum that is less than the last time began anew.
func (f *flows) sample(now time.Time, sums map[cid.Cid]swap.Totals, sent, received map[pair]int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	took := now.Sub(f.at).Seconds()
	if took <= 0 {
		return
	}
	f.up.sample(took, sent)
	f.down.sample(took, received)
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

// ofPeer are the rates from and to a peer of a root, in bytes a second, over the last
// few seconds.
func (f *flows) ofPeer(root cid.Cid, p peer.ID) (in, out float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	who := pair{root, p}
	return f.down.rates[who], f.up.rates[who]
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
