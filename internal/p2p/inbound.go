package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// Counters is what a transport has seen since it was made.
type Counters struct {
	// Opened counts outbound streams, Retried calls that were repeated because
	// the peer had given up the stream that was kept for it, DialFailed calls
	// that found no connection.
	Opened, Retried, DialFailed uint64
	// Handled counts inbound messages that were answered, or needed no answer;
	// Refused those that the handler refused.
	Handled, Refused uint64
	// Garbage counts streams that broke the framing, in either direction;
	// TooSlow inbound streams that began a message and did not finish it, or did
	// not take the answer; Busy inbound streams over a limit.
	Garbage, TooSlow, Busy uint64
}

type counters struct {
	opened, retried, dialFailed    atomic.Uint64
	handled, refused               atomic.Uint64
	garbage, tooSlow, busyRejected atomic.Uint64
}

// Counters returns the transport's counters.
func (t *Transport) Counters() Counters {
	c := &t.counters
	return Counters{
		Opened: c.opened.Load(), Retried: c.retried.Load(), DialFailed: c.dialFailed.Load(),
		Handled: c.handled.Load(), Refused: c.refused.Load(),
		Garbage: c.garbage.Load(), TooSlow: c.tooSlow.Load(), Busy: c.busyRejected.Load(),
	}
}

// admission counts inbound streams, by peer and in total.
type admission struct {
	perPeer, total int // limits

	mu    sync.Mutex
	peers map[peer.ID]int
	n     int
}

// enter reports whether one more stream of p fits; if so, leave ends it.
func (a *admission) enter(p peer.ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n >= a.total || a.peers[p] >= a.perPeer {
		return false
	}
	if a.peers == nil {
		a.peers = make(map[peer.ID]int)
	}
	a.n++
	a.peers[p]++
	return true
}

func (a *admission) leave(p peer.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n--
	if a.peers[p]--; a.peers[p] == 0 {
		delete(a.peers, p)
	}
}

// errTooSlow: a peer did not send, or take, a message in time.
var errTooSlow = errors.New("the peer is too slow")

// serveStream is libp2p's stream handler; it runs on a goroutine of its own.
func (t *Transport) serveStream(s network.Stream) {
	ctx, done, ok := t.running.start(context.Background())
	if !ok {
		_ = s.Reset()
		return
	}
	defer done()
	from := s.Conn().RemotePeer()
	if !t.admitted.enter(from) {
		t.counters.busyRejected.Add(1)
		_ = s.ResetWithError(resetBusy)
		return
	}
	defer t.admitted.leave(from)
	stop := context.AfterFunc(ctx, func() { _ = s.Reset() })
	defer stop()

	err := t.serveMessages(ctx, s)
	code := network.StreamErrorCode(0)
	switch {
	case err == nil:
		_ = s.Close()
		return
	case errors.Is(err, overlay.ErrBadMessage):
		if errors.Is(err, overlay.ErrRefused) {
			t.counters.refused.Add(1) // a sound frame, with nothing sound in it
		} else {
			t.counters.garbage.Add(1)
		}
		code = resetGarbage
	case errors.Is(err, errTooSlow):
		t.counters.tooSlow.Add(1)
		code = resetSlow
	case errors.Is(err, overlay.ErrRefused):
		t.counters.refused.Add(1)
		code = resetRefused
	}
	t.cfg.Log.Debug("inbound stream ended", "peer", from, "protocol", t.cfg.Protocol, "err", err)
	_ = s.ResetWithError(code)
}

// serveMessages answers the messages of one stream, in order, until the peer
// ends it (nil), is silent for InboundIdle (nil), or something is wrong.
func (t *Transport) serveMessages(ctx context.Context, s network.Stream) error {
	r := bufio.NewReaderSize(s, frameStep)
	var frame []byte // reused for answers
	for {
		msg, err := t.readRequest(s, r)
		if errors.Is(err, io.EOF) || errors.Is(err, errIdle) {
			return nil
		}
		if err != nil {
			return err
		}
		reply, err := t.handle(ctx, s, msg)
		if err != nil {
			return err
		}
		if reply == nil {
			continue
		}
		if len(reply) > t.cfg.MaxMessage {
			return fmt.Errorf("%w: the answer has %d bytes, more than %d", overlay.ErrRefused, len(reply), t.cfg.MaxMessage)
		}
		frame = appendFrame(frame[:0], reply)
		if err := s.SetWriteDeadline(time.Now().Add(t.cfg.MessageTimeout)); err != nil {
			return err
		}
		if _, err := s.Write(frame); err != nil {
			return slow(err)
		}
		if cap(frame) > 4*frameStep {
			frame = nil // an idle stream must not hold on to a large answer
		}
	}
}

// errIdle: nothing arrived on a stream for so long that it is given up.
var errIdle = errors.New("idle stream")

// readRequest waits for a message to begin, for InboundIdle, and then for its
// end, for MessageTimeout.
func (t *Transport) readRequest(s network.Stream, r *bufio.Reader) ([]byte, error) {
	if err := s.SetReadDeadline(time.Now().Add(t.cfg.InboundIdle)); err != nil {
		return nil, err
	}
	if _, err := r.Peek(1); err != nil {
		if isTimeout(err) {
			return nil, errIdle
		}
		return nil, err
	}
	if err := s.SetReadDeadline(time.Now().Add(t.cfg.MessageTimeout)); err != nil {
		return nil, err
	}
	msg, err := readFrame(r, t.cfg.MaxMessage)
	return msg, slow(err)
}

// handle waits for a free handler and calls it. Any error of the handler is a
// refusal: the peer learns no more than that.
func (t *Transport) handle(ctx context.Context, s network.Stream, msg []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.MessageTimeout)
	defer cancel()
	select {
	case t.handlers <- struct{}{}:
		defer func() { <-t.handlers }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: too busy", overlay.ErrRefused)
	}
	from := s.Conn().RemotePeer()
	store := t.host.Peerstore()
	// A peer that was not identified yet counts as a client; Watch reports it as
	// soon as it is known to be more. Waiting here would delay the first answer
	// on every new connection by a round trip.
	supported, _ := store.SupportsProtocols(from, t.cfg.Protocol)
	reply, err := t.handler.Load().(overlay.Handler)(ctx, overlay.Request{
		From:   overlay.NewContact(from, store.Addrs(from)...),
		Remote: s.Conn().RemoteMultiaddr(),
		Server: len(supported) > 0,
		Msg:    msg,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", overlay.ErrRefused, err)
	}
	t.counters.handled.Add(1)
	return reply, nil
}

// slow marks an expired deadline as the peer's fault.
func slow(err error) error {
	if err != nil && isTimeout(err) {
		return fmt.Errorf("%w: %w", errTooSlow, err)
	}
	return err
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
