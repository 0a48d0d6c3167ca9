package node

import (
	"context"
	"sync/atomic"
	"time"

	"ringswap/transfer/swap"
)

// meter is the ledger of a node, and how fast its sums grow.
type meter struct {
	*swap.Ledger
	rateIn, rateOut atomic.Int64 // bytes a second, over the last few seconds
}

// meterWindow is the number of seconds that a rate is the mean of.
const meterWindow = 3

// run keeps the rates until ctx ends.
func (m *meter) run(ctx context.Context) error {
	var past []swap.Totals
	for {
		past = append(past, m.Totals())
		if len(past) > meterWindow+1 {
			past = past[1:]
		}
		if seconds := int64(len(past) - 1); seconds > 0 {
			first, last := past[0], past[seconds]
			m.rateIn.Store((last.Received - first.Received) / seconds)
			m.rateOut.Store((last.Sent - first.Sent) / seconds)
		}
		if !pause(ctx, time.Second) {
			return nil
		}
	}
}
