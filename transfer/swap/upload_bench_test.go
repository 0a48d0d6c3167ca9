package swap

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap/fair"
)

// BenchmarkUploads hands out turns while many wait for theirs.
func BenchmarkUploads(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(n, " wait"), func(b *testing.B) {
			u := &uploads{
				throttle: NewThrottle(Unlimited), choker: &fair.RoundRobin{}, ledger: NewLedger(0),
				max: maxTurn, maxPeer: maxTurn, patience: time.Hour,
			}
			defer u.close()
			turns := make([]*turn, n+1)
			for i := range turns {
				turns[i] = enter(u, peer.ID(fmt.Sprint(i)), maxTurn, func() {})
			}
			b.ReportAllocs()
			for b.Loop() {
				t := u.writing[0]
				u.leave(t)
				u.enter(&turn{Candidate: t.Candidate, kill: t.kill})
			}
		})
	}
}
