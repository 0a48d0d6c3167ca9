package swap_test

import (
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/swaptest"
)

// A peer that is out of reach can be forgotten, and added again; one that is
// connected stays.
func TestForget(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(5, 2, 1<<20)
	h, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{})
	s := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{Backoff: 50 * time.Millisecond})
	gone := swaptest.Info(swaptest.Host(t))
	gone.Addrs = []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/1")}
	status := func(id peer.ID) (st swap.PeerStatus, known bool) {
		for _, p := range s.Peers() {
			if p.ID == id {
				return p.Status, true
			}
		}
		return 0, false
	}
	for range 2 {
		if !s.AddPeer(gone, "test") {
			t.Error("it is known")
		}
		until(t, func() bool { st, _ := status(gone.ID); return st == swap.PeerWaiting })
		s.Forget(gone.ID)
		if st, known := status(gone.ID); known && st == swap.PeerWaiting {
			t.Error("it is still there")
		}
		until(t, func() bool { s.Forget(gone.ID); _, known := status(gone.ID); return !known })
	}
	s.AddPeer(swaptest.Info(h), "test")
	until(t, func() bool { st, _ := status(h.ID()); return st == swap.PeerConnected })
	s.Forget(h.ID())
	swaptest.Collect(swaptest.Context(t, time.Minute), t, s, f, swap.Rarest)
}

// A peer that is forgotten at the moment in which it is tried again is not.
func TestForgetWhileTrying(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(5, 2, 1<<20)
	h, _ := swaptest.Serve(t, swaptest.Seed(f), swap.ServerConfig{})
	s := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{})
	if err := s.Attempt(swaptest.Info(h)); !errors.Is(err, swap.ErrClosed) {
		t.Errorf("%v", err)
	}
	if n := s.State().Received; n != 0 {
		t.Errorf("%d bytes came", n)
	}
}
