package p2p

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/nat"
	"ringswap/overlay"
)

// events collects what a Watch emits.
type events struct {
	mu   sync.Mutex
	all  []overlay.Event
	more chan struct{}
}

func watching(t *testing.T, tr *Transport) *events {
	t.Helper()
	e := &events{more: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- tr.Watch(ctx, func(ev overlay.Event) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.all = append(e.all, ev)
			select {
			case e.more <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
	return e
}

// wait returns the first event that match accepts, and forgets it and all
// before it.
func (e *events) wait(t *testing.T, what string, match func(overlay.Event) bool) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		e.mu.Lock()
		for i, ev := range e.all {
			if match(ev) {
				e.all = e.all[i+1:]
				e.mu.Unlock()
				return
			}
		}
		e.mu.Unlock()
		select {
		case <-e.more:
		case <-limit:
			t.Fatalf("no event: %s; got %+v", what, e.all)
		}
	}
}

func TestWatchSeesServersComeAndGo(t *testing.T) {
	a, b := newHost(t), newHost(t)
	ta, tb := newTransport(t, a, TransportConfig{}), newTransport(t, b, TransportConfig{})
	ta.Serve(echo)
	seen := watching(t, ta)
	seen.wait(t, "my own address", func(ev overlay.Event) bool {
		self, ok := ev.(overlay.SelfChanged)
		return ok && self.Server && len(self.Addrs) == 1
	})
	if err := a.Connect(within(t, 10*time.Second), infoOf(b)); err != nil {
		t.Fatal(err)
	}
	gone := func(ev overlay.Event) bool { g, ok := ev.(overlay.Gone); return ok && g.Peer == b.ID() }
	come := func(ev overlay.Event) bool {
		s, ok := ev.(overlay.Seen)
		return ok && s.Contact.Peer == b.ID() && len(s.Contact.Addrs) == 1 && s.Contact.ID == overlay.PeerKey(b.ID()).ID()
	}
	seen.wait(t, "a peer that does not serve", gone)
	tb.Serve(echo)
	seen.wait(t, "the peer serves", come)
	tb.Offer(false)
	seen.wait(t, "the peer serves no more", gone)
	tb.Offer(true)
	seen.wait(t, "the peer serves again", come)

	// A peer that was there before is reported to a new watcher.
	late := watching(t, ta)
	late.wait(t, "the peer that is there", come)
}

// What a transport offers follows from what is known of its host's place.
func TestWatchDecidesWhoServes(t *testing.T) {
	outside := []ma.Multiaddr{ma.StringCast("/ip4/1.2.3.4/tcp/4779")}
	v := func(s nat.State, peers bool) nat.VerdictChanged {
		return nat.VerdictChanged{Verdict: nat.Verdict{State: s}, PublicPeers: peers}
	}
	for _, tc := range []struct {
		client bool
		v      nat.VerdictChanged
		want   bool
	}{
		{false, nat.VerdictChanged{}, true},
		{false, v(nat.Local, false), true},
		{false, v(nat.Unknown, true), true},
		{false, v(nat.Public, true), true},
		{false, v(nat.Private, false), true}, // everyone outside has left: a LAN
		{false, v(nat.Private, true), false},
		{false, v(nat.Relayed, true), false},
		{true, v(nat.Public, true), false},
		{true, v(nat.Local, false), false},
	} {
		if got := servesWith(tc.client, tc.v); got != tc.want {
			t.Errorf("client %v, %s, public peers %v: serves %v", tc.client, tc.v.Verdict.State, tc.v.PublicPeers, got)
		}
	}

	// And the events arrive, though no public peer can exist on loopback.
	h := newHost(t)
	tr := newTransport(t, h, TransportConfig{})
	tr.Serve(echo)
	e := watching(t, tr)
	em, err := h.EventBus().Emitter(new(event.EvtHostReachableAddrsChanged))
	if err != nil {
		t.Fatal(err)
	}
	defer em.Close()
	if err := em.Emit(event.EvtHostReachableAddrsChanged{Unreachable: outside}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { v, _ := h.Reachability(); return v.State == nat.Private }, "the host does not know that it is private")
	e.wait(t, "the first report", func(ev overlay.Event) bool { s, ok := ev.(overlay.SelfChanged); return ok && s.Server })
}

func TestWatchClientOffersNothing(t *testing.T) {
	a, b := newHost(t), newHost(t)
	ta := newTransport(t, a, TransportConfig{})
	tb := newTransport(t, b, TransportConfig{Client: true})
	tb.Serve(echo)
	e := watching(t, tb)
	e.wait(t, "the first report", func(ev overlay.Event) bool { s, ok := ev.(overlay.SelfChanged); return ok && !s.Server })
	if _, err := ta.Call(within(t, 10*time.Second), contactOf(b), []byte("x")); err == nil {
		t.Error("a client answered")
	}
}
