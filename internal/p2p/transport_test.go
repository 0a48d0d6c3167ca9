package p2p

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
)

const testProtocol = "/test/kad/1.0.0"

func newTransport(t testing.TB, h *Host, cfg TransportConfig) *Transport {
	t.Helper()
	cfg.Protocol = testProtocol
	tr, err := NewTransport(h, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// echo answers with what it was sent.
func echo(_ context.Context, in overlay.Request) ([]byte, error) {
	return bytes.Clone(in.Msg), nil
}

// pair is a client and a server that answers with h.
func pair(t testing.TB, h overlay.Handler, server TransportConfig) (client, srv *Transport, to overlay.Contact) {
	t.Helper()
	a, b := newHost(t), newHost(t)
	client, srv = newTransport(t, a, TransportConfig{}), newTransport(t, b, server)
	srv.Serve(h)
	return client, srv, contactOf(b)
}

func TestCallReusesStreams(t *testing.T) {
	client, srv, to := pair(t, echo, TransportConfig{})
	ctx := within(t, 20*time.Second)
	for i := range 100 {
		msg := bytes.Repeat([]byte{byte(i)}, i*97)
		got, err := client.Call(ctx, to, msg)
		if err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("call %d: %d bytes, %v", i, len(got), err)
		}
	}
	if n := client.Counters().Opened; n != 1 {
		t.Errorf("100 calls one after the other opened %d streams, want 1", n)
	}
	if n := srv.Counters().Handled; n != 100 {
		t.Errorf("the server handled %d messages, want 100", n)
	}
}

func TestCallManyAtOnce(t *testing.T) {
	var running, most atomic.Int64
	client, _, to := pair(t, func(_ context.Context, in overlay.Request) ([]byte, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return bytes.Clone(in.Msg), nil
	}, TransportConfig{})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			msg := fmt.Appendf(nil, "message %d", i)
			got, err := client.Call(within(t, 20*time.Second), to, msg)
			if err != nil || !bytes.Equal(got, msg) {
				t.Errorf("call %d: %q, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	if n := client.Counters().Opened; n > 4 {
		t.Errorf("%d streams to one peer, want at most 4", n)
	}
	if m := most.Load(); m > 4 {
		t.Errorf("%d requests of one peer at once, want at most 4", m)
	}
}

// The pool gives a lost stream one more chance, and no more than that.
func TestCallAfterThePeerGaveUpTheStream(t *testing.T) {
	client, srv, to := pair(t, echo, TransportConfig{})
	ctx := within(t, 10*time.Second)
	for i := range 3 {
		if _, err := client.Call(ctx, to, []byte("x")); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		for _, c := range srv.host.Network().Conns() {
			for _, s := range c.GetStreams() {
				if s.Protocol() == testProtocol {
					_ = s.Reset()
				}
			}
		}
	}
	if c := client.Counters(); c.Opened != 3 || c.Retried != 2 {
		t.Errorf("%d streams, %d retries; want 3 and 2", c.Opened, c.Retried)
	}
}

func TestCallAfterTheConnectionIsLost(t *testing.T) {
	client, srv, to := pair(t, echo, TransportConfig{})
	ctx := within(t, 10*time.Second)
	for i := range 3 {
		if _, err := client.Call(ctx, to, []byte("x")); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		if err := srv.host.Network().ClosePeer(client.host.ID()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSendNeedsNoAnswer(t *testing.T) {
	got := make(chan string, 10)
	client, srv, to := pair(t, func(_ context.Context, in overlay.Request) ([]byte, error) {
		got <- string(in.Msg)
		if string(in.Msg) == "ask" {
			return []byte("answer"), nil
		}
		return nil, nil
	}, TransportConfig{})
	ctx := within(t, 10*time.Second)
	for _, msg := range []string{"one", "two", "ask", "three", "ask"} {
		if msg == "ask" {
			if a, err := client.Call(ctx, to, []byte(msg)); err != nil || string(a) != "answer" {
				t.Fatalf("%q, %v", a, err)
			}
		} else if err := client.Send(ctx, to, []byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for range 5 {
		select {
		case m := <-got:
			seen[m]++
		case <-ctx.Done():
			t.Fatal("messages are missing")
		}
	}
	if seen["one"] != 1 || seen["two"] != 1 || seen["three"] != 1 || seen["ask"] != 2 {
		t.Errorf("the server saw %v", seen)
	}
	if n := client.Counters().Opened; n != 2 {
		t.Errorf("%d streams; want one for calls and one for the rest", n)
	}
	if c := srv.Counters(); c.Handled != 5 {
		t.Errorf("the server handled %d", c.Handled)
	}
}

// A message sent right before Close still arrives.
func TestSendThenClose(t *testing.T) {
	for i := range 20 {
		got := make(chan struct{})
		client, _, to := pair(t, func(context.Context, overlay.Request) ([]byte, error) {
			close(got)
			return nil, nil
		}, TransportConfig{})
		if err := client.Send(within(t, 10*time.Second), to, []byte("bye")); err != nil {
			t.Fatal(err)
		}
		_ = client.Close()
		select {
		case <-got:
		case <-time.After(10 * time.Second):
			t.Fatalf("try %d: the message did not arrive", i)
		}
	}
}

func TestRequestSaysWhoAsks(t *testing.T) {
	got := make(chan overlay.Request, 10)
	client, srv, to := pair(t, func(_ context.Context, in overlay.Request) ([]byte, error) {
		in.Msg = nil
		got <- in
		return []byte{}, nil
	}, TransportConfig{})
	identified, err := srv.host.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = identified.Close() }()
	if err := client.host.Connect(within(t, 10*time.Second), to.AddrInfo()); err != nil {
		t.Fatal(err)
	}
	// What the client says of itself now must not come after what it says later.
	select {
	case <-identified.Out():
	case <-time.After(10 * time.Second):
		t.Fatal("the server did not identify the client")
	}
	ask := func() overlay.Request {
		t.Helper()
		if _, err := client.Call(within(t, 10*time.Second), to, nil); err != nil {
			t.Fatal(err)
		}
		return <-got
	}
	in := ask()
	if in.From.Peer != client.host.ID() || in.From.ID != overlay.PeerKey(client.host.ID()).ID() {
		t.Errorf("the request came from %v", in.From)
	}
	if in.Server {
		t.Error("a node that offers nothing is called a server")
	}
	if ip, err := in.Remote.ValueForProtocol(ma.P_IP4); err != nil || ip != "127.0.0.1" {
		t.Errorf("the request came from %v", in.Remote)
	}
	client.Serve(echo)
	eventually(t, func() bool {
		p, _ := srv.host.Peerstore().SupportsProtocols(client.host.ID(), testProtocol)
		return len(p) > 0
	}, "the server never learned that the client serves too")
	if in := ask(); !in.Server || len(in.From.Addrs) == 0 {
		t.Errorf("now that the asker serves too: server %v, addresses %v", in.Server, in.From.Addrs)
	}
}

func TestCallErrors(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	client, srv, to := pair(t, func(ctx context.Context, in overlay.Request) ([]byte, error) {
		switch string(in.Msg) {
		case "refuse":
			return nil, errors.New("no")
		case "hang":
			select {
			case <-hang:
			case <-ctx.Done():
			}
			return nil, ctx.Err()
		case "much":
			return make([]byte, 2<<20), nil
		}
		return in.Msg, nil
	}, TransportConfig{})
	ctx := within(t, 30*time.Second)
	call := func(ctx context.Context, to overlay.Contact, msg string) error {
		_, err := client.Call(ctx, to, []byte(msg))
		return err
	}

	if err := call(ctx, to, "refuse"); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("refused on a fresh stream: %v", err)
	}
	if err := call(ctx, to, "fine"); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
	opened := client.Counters().Opened
	if err := call(ctx, to, "refuse"); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("refused on a used stream: %v", err)
	}
	if client.Counters().Opened != opened {
		t.Error("a refusal was asked for twice")
	}
	if err := call(ctx, to, "much"); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("an answer over the limit: %v", err)
	}
	if err := call(ctx, to, string(make([]byte, 2<<20))); !errors.Is(err, overlay.ErrBadMessage) {
		t.Errorf("a question over the limit: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	if err := call(short, to, "hang"); !errors.Is(err, overlay.ErrTimeout) {
		t.Errorf("no answer in time: %v", err)
	}
	cancel()
	canceled, cancel := context.WithCancel(ctx)
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := call(canceled, to, "hang"); !errors.Is(err, context.Canceled) || errors.Is(err, overlay.ErrTimeout) {
		t.Errorf("canceled: %v", err)
	}
	if err := call(ctx, contactOf(client.host.(*Host)), "self"); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("a call to itself: %v", err)
	}

	srv.Offer(false)
	if err := call(ctx, to, "fine"); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("a peer that serves no more: %v", err)
	}
	srv.Offer(true)
	if err := call(ctx, to, "fine"); err != nil {
		t.Errorf("a peer that serves again: %v", err)
	}

	_ = srv.host.Close()
	if err := call(ctx, to, "fine"); err == nil || errors.Is(err, overlay.ErrTimeout) {
		t.Errorf("a dead peer: %v", err)
	}
	_ = client.Close()
	if err := call(ctx, to, "fine"); !errors.Is(err, overlay.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Close ends calls and handlers instead of waiting for their timeouts.
func TestCloseEndsWhatRuns(t *testing.T) {
	entered := make(chan struct{})
	client, srv, to := pair(t, func(ctx context.Context, _ overlay.Request) ([]byte, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}, TransportConfig{MessageTimeout: time.Hour})
	for _, end := range []*Transport{client, srv} {
		failed := make(chan error)
		go func() {
			_, err := client.Call(context.Background(), to, []byte("x"))
			failed <- err
		}()
		if end == client {
			<-entered
		}
		_ = end.Close()
		if err := <-failed; err == nil {
			t.Error("a call outlived its transport")
		}
	}
}

func TestNoAddresses(t *testing.T) {
	client, _, _ := pair(t, echo, TransportConfig{})
	nobody, err := peer.IDFromPublicKey(newKey(t).GetPublic())
	if err != nil {
		t.Fatal(err)
	}
	for name, addrs := range map[string][]ma.Multiaddr{
		"none":        nil,
		"unspecified": {ma.StringCast("/ip4/0.0.0.0/tcp/1")},
		"multicast":   {ma.StringCast("/ip4/224.0.0.251/udp/5353/quic-v1")},
	} {
		_, err := client.Call(within(t, 10*time.Second), overlay.NewContact(nobody, addrs...), []byte("x"))
		if !errors.Is(err, swarm.ErrNoAddresses) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// eventually waits for what another goroutine will do.
func eventually(t testing.TB, done func() bool, what string) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}
