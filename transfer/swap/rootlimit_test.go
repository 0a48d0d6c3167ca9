package swap

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	mh "github.com/multiformats/go-multihash"

	"ringswap/transfer/swap/fair"
)

// The bound of one root is held in virtual time, beside others that have none, and
// what it leaves goes to them.
func TestUploadsHoldTheRateOfARoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all, one = Rate(4 << 20), Rate(1 << 20)
		u := &uploads{
			throttle: NewThrottle(all), roots: &rootLimits{}, choker: &fair.RoundRobin{}, ledger: NewLedger(0),
			max: 8 << 20, maxPeer: 1 << 20, patience: time.Hour,
		}
		defer u.close()
		roots := []cid.Cid{testRoot(t, "slow"), testRoot(t, "fast")}
		u.roots.set(roots[0], one)
		var got [2]atomic.Int64
		stop, done := make(chan struct{}), make(chan struct{})
		for i, root := range roots {
			go func() {
				defer func() { done <- struct{}{} }()
				for {
					tn := &turn{Candidate: fair.Candidate{
						Peer: peer.ID(root.String()), Root: root, Since: time.Now(),
						Bytes: min(all.turnBytes(), u.roots.rate(root).turnBytes()),
					}, kill: func() {}}
					u.enter(tn)
					select {
					case <-tn.granted:
						got[i].Add(int64(tn.Bytes))
						u.leave(tn)
					case <-stop:
						u.leave(tn)
						return
					}
				}
			}()
		}
		in := func(seconds int) (slow, fast int64) {
			synctest.Wait()
			a, b := got[0].Load(), got[1].Load()
			time.Sleep(time.Duration(seconds) * time.Second)
			synctest.Wait()
			return (got[0].Load() - a) >> 20, (got[1].Load() - b) >> 20
		}
		if slow, fast := in(100); slow < 98 || slow > 103 || fast < 294 || fast > 306 {
			t.Errorf("%d and %d MiB in 100 s, want 100 and 300", slow, fast)
		}
		u.roots.set(roots[0], None)
		u.wake()
		if slow, fast := in(10); slow != 0 || fast < 38 || fast > 42 {
			t.Errorf("%d and %d MiB in 10 s, want 0 and 40", slow, fast)
		}
		u.roots.set(roots[0], Unlimited)
		u.wake()
		if slow, fast := in(10); slow < 18 || fast < 18 {
			t.Errorf("%d and %d MiB in 10 s, want 20 each", slow, fast)
		}
		close(stop)
		<-done
		<-done
	})
}

func testRoot(t *testing.T, name string) cid.Cid {
	t.Helper()
	h, err := mh.Sum([]byte(name), mh.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	return cid.NewCidV1(cid.Raw, h)
}
