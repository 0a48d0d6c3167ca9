package swap_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/swaptest"
	"ringswap/transfer/swap/wire"
)

// known is what s knows of a peer; the zero PeerStats if nothing.
func known(s *swap.Session, id peer.ID) swap.PeerStats {
	for _, st := range s.Peers() {
		if st.ID == id {
			return st
		}
	}
	return swap.PeerStats{}
}

// TestLiarLeavesBeforeItIsFound has a peer that gives a wrong part of a chunk and goes
// away. That it lied comes to light when the others have given the chunk: then it is
// out, whether it is waited for, or was forgotten meanwhile.
func TestLiarLeavesBeforeItIsFound(t *testing.T) {
	t.Run("waited for", func(t *testing.T) { liarLeaves(t, false) })
	t.Run("forgotten", func(t *testing.T) { liarLeaves(t, true) })
}

func liarLeaves(t *testing.T, forget bool) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(21, 1, 3<<20-3) // one chunk of 1 MiB
	var streams atomic.Int32
	gave, leave := make(chan struct{}), make(chan struct{})
	liar := swaptest.Host(t)
	swaptest.Handle(t, liar, func(c *swaptest.Conn, _ wire.Hello) error {
		streams.Add(1)
		if err := c.Put(wire.State{Version: wire.Version, Status: wire.StatusComplete}); err != nil {
			return err
		}
		return c.Wants(func(w wire.Want) error {
			if err := c.PutBlock(w.ID, make([]byte, w.Length)); err != nil {
				return err
			}
			close(gave)
			<-leave
			return errors.New("gone")
		})
	})
	s := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{Backoff: 100 * time.Millisecond})
	s.AddPeer(swaptest.Info(liar), "test")
	fetched := make(chan struct{})
	go func() {
		defer close(fetched)
		swaptest.Collect(swaptest.Context(t, time.Minute), t, s, f, swap.Rarest)
	}()
	<-gave
	until(t, func() bool { return known(s, liar.ID()).Received >= 16<<10 })
	close(leave)
	liar.RemoveStreamHandler(swap.ProtocolID(swaptest.Network))
	until(t, func() bool { return known(s, liar.ID()).Status == swap.PeerWaiting })
	if forget {
		until(t, func() bool { s.Forget(liar.ID()); return known(s, liar.ID()).ID == "" })
	}
	good, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{})
	s.AddPeer(swaptest.Info(good), "test")
	<-fetched
	swaptest.Handle(t, liar, func(*swaptest.Conn, wire.Hello) error { streams.Add(1); return nil })
	if st := known(s, liar.ID()); st.Status != swap.PeerBanned || st.Reason == "" {
		t.Errorf("the liar: %+v", st)
	}
	if st := known(s, good.ID()); st.Status != swap.PeerConnected || st.Verified != f.Bytes() {
		t.Errorf("the honest peer: %+v", st)
	}
	// It waited for its next attempt when it was banned. That must not come, nor
	// one because somebody names it again.
	s.AddPeer(swaptest.Info(liar), "again")
	for range 10 { // longer than it was to wait
		time.Sleep(100 * time.Millisecond)
		if st := known(s, liar.ID()); st.Status != swap.PeerBanned || streams.Load() != 1 {
			t.Fatalf("the liar has had %d streams: %+v", streams.Load(), st)
		}
	}
}

// TestLiarsAreMany has more liars than honest peers: some spoil all that they give,
// others one range in three, and some leave in the middle. The content comes, every
// liar that spoiled a copy is out with the reason, nobody honest is, and what is fetched
// again is bounded. Beside it, the honest peers serve somebody who knows no liar.
func TestLiarsAreMany(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(22, 40, 1<<20)
	s := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{Backoff: 50 * time.Millisecond})
	calm := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{})
	var honest, liars []host.Host
	for i := range 6 {
		i := uint64(i)
		var answers atomic.Uint64
		liars = append(liars, swaptest.Lying(t, f, func(w wire.Want) bool {
			return i < 2 || (w.Offset>>18+i)%3 == 0
		}, func() bool { return i%2 == 1 && answers.Add(1)%5 == 0 }))
	}
	for range 2 {
		h, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{Up: 12 << 20})
		honest = append(honest, h)
	}
	for _, h := range append(liars, honest...) {
		s.AddPeer(swaptest.Info(h), "test")
	}
	for _, h := range honest {
		calm.AddPeer(swaptest.Info(h), "test")
	}
	var wg sync.WaitGroup
	for _, one := range []*swap.Session{s, calm} {
		wg.Go(func() { swaptest.Collect(swaptest.Context(t, time.Minute), t, one, f, swap.Rarest) })
	}
	wg.Wait()
	banned := 0
	for _, h := range liars {
		st := known(s, h.ID())
		if st.Status == swap.PeerBanned {
			banned++
			if st.Reason == "" {
				t.Errorf("banned without a reason: %+v", st)
			}
		}
	}
	if banned < 2 {
		t.Errorf("%d of %d liars are banned", banned, len(liars))
	}
	for _, h := range honest {
		for _, one := range []*swap.Session{s, calm} {
			if st := known(one, h.ID()); st.Status == swap.PeerBanned {
				t.Errorf("an honest peer is banned: %+v", st)
			}
		}
	}
	// Each liar spoils what it is asked for until it is found, and the chunks that
	// it had a part in are fetched once more.
	if over := s.State().Received - f.Bytes(); over > int64(len(liars))*16<<20 {
		t.Errorf("%d bytes were fetched beyond the %d of the content", over, f.Bytes())
	}
}

// TestLiarsStayOut: a fetch that goes on in another session, after a pause, does not
// let those in again that an earlier one has found; another root is another matter.
func TestLiarsStayOut(t *testing.T) {
	swaptest.Leaks(t)
	f, other := swaptest.NewContent(23, 2, 256<<10), swaptest.NewContent(24, 2, 256<<10)
	var asks atomic.Int32
	liar := swaptest.Lying(t, f, func(wire.Want) bool { asks.Add(1); return true }, func() bool { return false })
	good, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{})
	h, ledger := swaptest.Host(t), swap.NewLedger(0)
	first := session(t, h, f.Root, swap.SessionConfig{Ledger: ledger})
	first.AddPeer(swaptest.Info(liar), "test")
	fetched := make(chan struct{})
	go func() {
		defer close(fetched)
		swaptest.Collect(swaptest.Context(t, time.Minute), t, first, f, swap.Rarest)
	}()
	until(t, func() bool { return known(first, liar.ID()).Status == swap.PeerBanned })
	first.AddPeer(swaptest.Info(good), "test")
	<-fetched
	why := known(first, liar.ID()).Reason
	_ = first.Close()
	asked := asks.Load()

	again := session(t, h, f.Root, swap.SessionConfig{Ledger: ledger})
	again.AddPeer(swaptest.Info(liar), "test")
	if st := known(again, liar.ID()); st.Status != swap.PeerBanned || st.Reason != why || why == "" {
		t.Errorf("in the next session: %+v", st)
	}
	again.AddPeer(swaptest.Info(good), "test")
	swaptest.Collect(swaptest.Context(t, time.Minute), t, again, f, swap.Rarest)
	if n := asks.Load(); n != asked {
		t.Errorf("it was asked %d times more", n-asked)
	}
	elsewhere := session(t, h, other.Root, swap.SessionConfig{Ledger: ledger})
	elsewhere.AddPeer(swaptest.Info(liar), "test")
	if st := known(elsewhere, liar.ID()); st.Status == swap.PeerBanned {
		t.Errorf("of another root: %+v", st)
	}
}
