package p2p

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"ringswap/overlay"
)

// rawStream opens a stream that speaks the protocol as badly as it likes.
func rawStream(t *testing.T, from *Host, to overlay.Contact) network.Stream {
	t.Helper()
	if err := from.Connect(within(t, 10*time.Second), to.AddrInfo()); err != nil {
		t.Fatal(err)
	}
	s, err := from.NewStream(within(t, 10*time.Second), to.Peer, testProtocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Reset() })
	return s
}

// ended waits for the other side to end s and returns how.
func ended(t *testing.T, s network.Stream) error {
	t.Helper()
	_ = s.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err := io.Copy(io.Discard, s)
	if isTimeout(err) {
		t.Fatal("the stream was not ended")
	}
	return err
}

func TestHostileAskers(t *testing.T) {
	client, srv, to := pair(t, echo, TransportConfig{
		MaxMessage: 1000, MessageTimeout: 500 * time.Millisecond, InboundIdle: time.Second,
	})
	evil := newHost(t)
	was := func() Counters { return srv.Counters() }

	for name, bytes := range map[string][]byte{
		"oversize": appendFrame(nil, make([]byte, 1001)),
		"endless":  bytes.Repeat([]byte{0xff}, 64),
		"garbage":  {0x80, 0x00, 1, 2, 3},
	} {
		before := was()
		s := rawStream(t, evil, to)
		_, _ = s.Write(bytes)
		var reset *network.StreamError
		if err := ended(t, s); !errors.As(err, &reset) || !reset.Remote {
			t.Errorf("%s: ended by %v, want a reset", name, err)
		}
		if now := was(); now.Garbage != before.Garbage+1 || now.Handled != before.Handled {
			t.Errorf("%s: %+v", name, now)
		}
	}

	before := was()
	s := rawStream(t, evil, to)
	_, _ = s.Write([]byte{100, 1, 2, 3})
	_ = s.CloseWrite()
	if err := ended(t, s); err == nil {
		t.Error("a truncated message was taken as a clean end")
	}
	if now := was(); now.Garbage != before.Garbage+1 {
		t.Errorf("truncated: %+v", now)
	}

	before = was()
	s = rawStream(t, evil, to)
	drip := time.NewTicker(20 * time.Millisecond)
	defer drip.Stop()
	for _, b := range appendFrame(nil, make([]byte, 500)) {
		if _, err := s.Write([]byte{b}); err != nil {
			break
		}
		<-drip.C
	}
	if err := ended(t, s); err == nil {
		t.Error("a message that drips was waited for")
	}
	if now := was(); now.TooSlow != before.TooSlow+1 || now.Handled != before.Handled {
		t.Errorf("dripping: %+v", now)
	}

	before = was()
	if err := ended(t, rawStream(t, evil, to)); err != nil {
		t.Errorf("a silent stream ended by %v, want a clean end", err)
	}
	if now := was(); now != before {
		t.Errorf("silence was counted: %+v, before %+v", now, before)
	}

	// All the while, an honest peer is served.
	if got, err := client.Call(within(t, 10*time.Second), to, []byte("hi")); err != nil || string(got) != "hi" {
		t.Errorf("an honest call: %q, %v", got, err)
	}
}

// A peer that asks for much and reads nothing is cut off.
func TestAskerThatNeverReads(t *testing.T) {
	srvHost, evil := newHost(t), newHost(t)
	srv := newTransport(t, srvHost, TransportConfig{MessageTimeout: 200 * time.Millisecond})
	srv.Serve(func(context.Context, overlay.Request) ([]byte, error) { return make([]byte, 1<<20), nil })
	s := rawStream(t, evil, contactOf(srvHost))
	for range 64 { // 64 MiB of answers do not fit any window
		if _, err := s.Write(appendFrame(nil, []byte("more"))); err != nil {
			break
		}
	}
	eventually(t, func() bool { return srv.Counters().TooSlow == 1 }, "the server still waits")
	eventually(t, func() bool { return protocolStreams(srvHost) == 0 }, "the stream stayed open")
}

func TestStreamsPerPeerAreBounded(t *testing.T) {
	client, srv, to := pair(t, echo, TransportConfig{InboundPerPeer: 3, InboundTotal: 5})
	one, two := newHost(t), newHost(t)
	hold := func(h *Host, n int) (busy int) {
		for range n {
			s := rawStream(t, h, to)
			before := srv.Counters()
			_, _ = s.Write(appendFrame(nil, []byte("x")))
			eventually(t, func() bool { c := srv.Counters(); return c.Handled+c.Busy > before.Handled+before.Busy }, "no reaction")
			busy += int(srv.Counters().Busy - before.Busy)
		}
		return busy
	}
	if busy := hold(one, 4); busy != 1 {
		t.Errorf("of 4 streams of one peer %d were refused, want 1", busy)
	}
	if busy := hold(two, 3); busy != 1 {
		t.Errorf("of 7 streams in total %d more were refused, want 1", busy)
	}
	if _, err := client.Call(within(t, 10*time.Second), to, []byte("x")); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("a call to a full server: %v", err)
	}
	_ = one.Close()
	eventually(t, func() bool {
		_, err := client.Call(within(t, 10*time.Second), to, []byte("x"))
		return err == nil
	}, "the server stayed full")
}

func TestHostileAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(network.Stream)
		want   error
	}{
		"garbage":       {func(s network.Stream) { _, _ = s.Write(bytes.Repeat([]byte{0xff}, 20)) }, overlay.ErrBadMessage},
		"oversize":      {func(s network.Stream) { _, _ = s.Write(appendFrame(nil, make([]byte, 2<<20))) }, overlay.ErrBadMessage},
		"truncated":     {func(s network.Stream) { _, _ = s.Write([]byte{10, 1}); _ = s.Close() }, overlay.ErrBadMessage},
		"two answers":   {func(s network.Stream) { _, _ = s.Write([]byte{1, 'a', 1, 'b'}) }, overlay.ErrBadMessage},
		"closed":        {func(s network.Stream) { _ = s.Close() }, overlay.ErrRefused},
		"reset":         {func(s network.Stream) { _ = s.Reset() }, overlay.ErrRefused},
		"never answers": {func(network.Stream) {}, overlay.ErrTimeout},
		"drips": {func(s network.Stream) {
			go func() {
				for _, b := range appendFrame(nil, make([]byte, 1000)) {
					if _, err := s.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond) // the peer's pace, not the test's
				}
			}()
		}, overlay.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			evil, me := newHost(t), newHost(t)
			evil.SetStreamHandler(protocol.ID(testProtocol), func(s network.Stream) {
				if _, err := readFrame(bufio.NewReader(s), 100); err != nil {
					_ = s.Reset()
					return
				}
				tc.answer(s)
			})
			client := newTransport(t, me, TransportConfig{})
			limit := 20 * time.Second
			if errors.Is(tc.want, overlay.ErrTimeout) {
				limit = 400 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := client.Call(ctx, contactOf(evil), []byte("x"))
			if !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if idle := client.pool.idle; idle != 0 {
				t.Errorf("%d streams were kept after that", idle)
			}
			eventually(t, func() bool { return protocolStreams(me) == 0 }, "the stream stayed open")
		})
	}
}
