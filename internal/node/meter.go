package node

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// ledger is what the swap tells of every piece that was moved.
type ledger interface {
	Sent(p peer.ID, bytes int64)
	Received(p peer.ID, bytes int64)
	Account(p peer.ID) (sent, received int64)
}

// meter is the ledger of a node that also counts all bytes of blocks together.
type meter struct {
	ledger
	in, out         atomic.Int64
	rateIn, rateOut atomic.Int64 // bytes a second, over the last few seconds
}

func (m *meter) Sent(p peer.ID, bytes int64) {
	m.out.Add(bytes)
	m.ledger.Sent(p, bytes)
}

func (m *meter) Received(p peer.ID, bytes int64) {
	m.in.Add(bytes)
	m.ledger.Received(p, bytes)
}

// meterWindow is the number of seconds that a rate is the mean of.
const meterWindow = 3

// run keeps the rates until ctx ends.
func (m *meter) run(ctx context.Context) error {
	type sample struct{ in, out int64 }
	var past []sample
	for {
		past = append(past, sample{m.in.Load(), m.out.Load()})
		if len(past) > meterWindow+1 {
			past = past[1:]
		}
		if seconds := int64(len(past) - 1); seconds > 0 {
			first, last := past[0], past[seconds]
			m.rateIn.Store((last.in - first.in) / seconds)
			m.rateOut.Store((last.out - first.out) / seconds)
		}
		if !pause(ctx, time.Second) {
			return nil
		}
	}
}
