package swap

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap/fair"
	"ringswap/transfer/swap/wire"
)

// TestHoldingTellsEverything follows a holding at random moments, as peers with
// different patience do: each learns exactly what is there.
func TestHoldingTellsEverything(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 5))
		n := 1 + rng.IntN(3000)
		h := NewHolding(n)
		type listener struct {
			f     *follower
			know  map[uint64]bool
			state wire.Status
		}
		var all []*listener
		listen := func(l *listener, first bool) {
			b, _ := l.f.update(nil, first)
			r := wire.NewReader(bytes.NewReader(b))
			for {
				head, err := r.Next()
				if err != nil {
					return
				}
				body, err := r.Body(head)
				if err != nil {
					t.Fatal(err)
				}
				switch head.Type {
				case wire.TypeState:
					m, err := wire.ParseState(body)
					if err != nil {
						t.Fatal(err)
					}
					l.state, l.know = m.Status, make(map[uint64]bool)
				case wire.TypeBitmap:
					m, err := wire.ParseBitmap(body)
					if err != nil {
						t.Fatal(err)
					}
					for i := range 8 * len(m.Bits) {
						if m.Bits[i/8]&(1<<(i%8)) != 0 {
							l.know[m.First+uint64(i)] = true
						}
					}
				case wire.TypeHave:
					m, err := wire.ParseHave(body)
					if err != nil {
						t.Fatal(err)
					}
					for _, run := range m.Runs {
						for i := range run.Count {
							l.know[run.First+i] = true
						}
					}
				}
			}
		}
		check := func(l *listener) {
			want := wire.StatusUnknown
			have, _ := h.Count()
			if h.have == nil {
				want = wire.StatusComplete
			} else if have > 0 {
				want = wire.StatusPartial
			}
			if l.state != want || (want == wire.StatusPartial && len(l.know) != have) {
				t.Fatalf("seed %d: told %d of %d chunks, status %d of %d", seed, len(l.know), have, l.state, want)
			}
			for i := range l.know {
				if !h.have.Has(int(i)) {
					t.Fatalf("seed %d: told of %d", seed, i)
				}
			}
		}
		for range 300 {
			switch rng.IntN(4) {
			case 0:
				l := &listener{f: &follower{h: h}}
				all = append(all, l)
				listen(l, true)
				check(l)
			case 1:
				if len(all) > 0 {
					l := all[rng.IntN(len(all))]
					listen(l, false)
					check(l)
				}
			default:
				for range rng.IntN(50) {
					h.Add(rng.IntN(n))
				}
			}
		}
		h.Complete()
		for _, l := range all {
			listen(l, false)
			check(l)
		}
	}
}

func TestHoldingWakes(t *testing.T) {
	h := NewHolding(3)
	f := &follower{h: h}
	_, changed := f.update(nil, true)
	if !h.Add(1) || h.Add(1) || h.Add(3) || h.Add(-1) {
		t.Error("Add says what is news")
	}
	<-changed
	b, changed := f.update(nil, false)
	if len(b) == 0 {
		t.Error("no news after Add")
	}
	if b, _ := f.update(nil, false); len(b) != 0 {
		t.Error("news twice")
	}
	h.Withdraw()
	<-changed
	h.Complete()
	if h.Add(2) {
		t.Error("a withdrawn holding gains chunks")
	}
	if b, _ := f.update(nil, false); len(b) == 0 {
		t.Error("no news of the end")
	}
	if have, of := h.Count(); have != 0 || of != 3 {
		t.Errorf("%d of %d", have, of)
	}
}

func enter(u *uploads, p peer.ID, bytes int, kill func()) *turn {
	t := &turn{Candidate: fair.Candidate{Peer: p, Bytes: bytes, Since: time.Now()}, kill: kill}
	u.enter(t)
	return t
}

// TestUploadsHoldTheRate hands out turns in virtual time: the rate is held to a
// few per cent, equals get equal shares, and a change counts at once.
func TestUploadsHoldTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = Rate(1 << 20)
		u := &uploads{
			throttle: NewThrottle(limit), choker: &fair.RoundRobin{}, ledger: NewLedger(0),
			max: 8 << 20, maxPeer: 1 << 20, patience: time.Hour,
		}
		defer u.close()
		got := make([]atomic.Int64, 4)
		stop := make(chan struct{})
		done := make(chan struct{})
		for i := range got {
			go func() {
				defer func() { done <- struct{}{} }()
				for {
					tn := enter(u, peer.ID(fmt.Sprint(i)), u.throttle.Rate().turnBytes(), func() {})
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
		sum := func() (n int64) {
			synctest.Wait()
			for i := range got {
				n += got[i].Load()
			}
			return n
		}
		time.Sleep(100 * time.Second)
		if n := sum(); n < 99<<20 || n > 103<<20 {
			t.Errorf("%d bytes in 100 s at 1 MiB/s", n)
		}
		for i := range got {
			if g := got[i].Load(); g < 24<<20 || g > 27<<20 {
				t.Errorf("peer %d of 4 got %d bytes", i, g)
			}
		}
		u.throttle.Set(None)
		u.wake()
		before := sum()
		time.Sleep(time.Hour)
		if n := sum() - before; n != 0 {
			t.Errorf("%d bytes while nobody is served", n)
		}
		u.throttle.Set(2 * limit)
		u.wake()
		before = sum()
		time.Sleep(10 * time.Second)
		if n := sum() - before; n < 19<<20 || n > 23<<20 {
			t.Errorf("%d bytes in 10 s at 2 MiB/s", n)
		}
		close(stop)
		for range got {
			<-done
		}
	})
}

// TestUploadsPress lets peers that do not take their turn pile up: the bound
// holds, and whoever blocks the others is ended.
func TestUploadsPress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &uploads{
			throttle: NewThrottle(Unlimited), choker: &fair.RoundRobin{}, ledger: NewLedger(0),
			max: 8 * maxTurn, maxPeer: 2 * maxTurn, patience: time.Second,
		}
		killed := make(map[*turn]bool)
		var stuck []*turn
		for i := range 8 {
			var tn *turn
			tn = enter(u, peer.ID(fmt.Sprint("stuck", i/2)), maxTurn, func() { killed[tn] = true })
			stuck = append(stuck, tn)
		}
		third := enter(u, "stuck0", maxTurn, func() {})
		honest := enter(u, "honest", maxTurn, func() {})
		synctest.Wait()
		select {
		case <-honest.granted:
			t.Error("more than the bound is being written")
		case <-third.granted:
			t.Error("one peer has more than its share")
		default:
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if len(killed) != 1 || !killed[stuck[0]] {
			t.Fatalf("%d turns ended", len(killed))
		}
		u.leave(stuck[0])
		<-honest.granted
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.bytes > u.max {
			t.Errorf("%d bytes in writing", u.bytes)
		}
		u.timer.Stop()
	})
}

func TestThrottleIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(100_000)
		spent, start := 0, time.Now()
		for time.Since(start) < 50*time.Second {
			n := min(th.avail(time.Now()), 40_000)
			if n < minTurn {
				n = 0
			}
			spent += n
			if at := th.spend(time.Now(), n); !at.IsZero() {
				time.Sleep(time.Until(at))
			}
		}
		if spent < 4_900_000 || spent > 5_200_000 {
			t.Errorf("%d bytes in 50 s at 100 kB/s", spent)
		}
		th.Set(Unlimited)
		if n := th.avail(time.Now()); n < 1<<40 {
			t.Errorf("%d bytes without a limit", n)
		}
		th.Set(None)
		if n := th.avail(time.Now()); n != 0 {
			t.Errorf("%d bytes with none allowed", n)
		}
	})
}

// TestUploadsBearASlowLine lets sixty peers share a line that is so slow that the
// smallest turns take much longer than patience, and there is room for few: once
// it is known that turns take long for everyone, nobody is ended for it.
func TestUploadsBearASlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &uploads{
			throttle: NewThrottle(Unlimited), choker: &fair.RoundRobin{}, ledger: NewLedger(0),
			max: 2 * maxTurn, maxPeer: maxTurn, patience: 2 * time.Second,
		}
		line := make(chan struct{}, 1) // 64 KiB a second
		stop := make(chan struct{})
		var wg sync.WaitGroup
		var taken, killed atomic.Int64
		for i := range 60 {
			wg.Go(func() {
				k := &upstream{turn: firstTurn}
				for {
					kill := make(chan struct{}, 1)
					tn := enter(u, peer.ID(fmt.Sprint(i)), k.turn, func() { signal(kill) })
					select {
					case <-tn.granted:
					case <-stop:
						u.leave(tn)
						return
					}
					began := time.Now()
					line <- struct{}{}
					time.Sleep(time.Duration(tn.Bytes) * time.Second / (64 << 10))
					<-line
					select {
					case <-kill:
						killed.Add(1)
					default:
					}
					taken.Add(int64(tn.Bytes))
					k.adapt(time.Since(began))
					tn.taken = true
					u.leave(tn)
				}
			})
		}
		time.Sleep(time.Minute)
		if n := killed.Swap(0); n > 5 {
			t.Errorf("%d turns ended before it was known how long they take", n)
		}
		time.Sleep(4 * time.Minute)
		close(stop)
		wg.Wait()
		u.close()
		if n := taken.Load(); n < 18<<20 {
			t.Errorf("%d KiB in 300 s over a line of 64 KiB/s", n>>10)
		}
		if n := killed.Load(); n > 0 {
			t.Errorf("%d turns ended", n)
		}
	})
}
