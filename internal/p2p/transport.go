package p2p

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"ringswap/overlay"
)

// TransportConfig says how a [Transport] carries one protocol's messages. A
// zero field but Protocol means the default named at it.
type TransportConfig struct {
	// Protocol is the ID that streams are opened with. Required.
	Protocol protocol.ID
	// Client never offers the protocol to others: this node asks only.
	Client bool
	// MaxMessage is the longest message in bytes, either way. 0 means 1 MiB.
	MaxMessage int
	// IdleTimeout is how long an unused outbound stream is kept for the next
	// call. It should be shorter than what peers allow. 0 means 30 s.
	IdleTimeout time.Duration
	// PeerStreams is how many calls may run to one peer at once; more wait. 0
	// means 4.
	PeerStreams int
	// IdleStreams is how many unused streams are kept in total. 0 means 256.
	IdleStreams int

	// InboundIdle is how long an inbound stream may be silent between messages.
	// 0 means 1 min, as go-libp2p-kad-dht does.
	InboundIdle time.Duration
	// MessageTimeout is how long a peer may take to send a message it has begun,
	// to be answered, and to take the answer: each. 0 means 10 s.
	MessageTimeout time.Duration
	// InboundPerPeer and InboundTotal are how many inbound streams are served at
	// once; more are refused. 0 means 8 and 512.
	InboundPerPeer, InboundTotal int
	// Handlers is how many messages are handled at once; more wait. 0 means 64.
	Handlers int

	// Log receives what is wrong with peers, at debug level. nil means
	// slog.Default().
	Log *slog.Logger
}

func (c TransportConfig) withDefaults() TransportConfig {
	num := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	dur := func(v *time.Duration, def time.Duration) {
		if *v == 0 {
			*v = def
		}
	}
	num(&c.MaxMessage, 1<<20)
	num(&c.PeerStreams, 4)
	num(&c.IdleStreams, 256)
	num(&c.InboundPerPeer, 8)
	num(&c.InboundTotal, 512)
	num(&c.Handlers, 64)
	dur(&c.IdleTimeout, 30*time.Second)
	dur(&c.InboundIdle, time.Minute)
	dur(&c.MessageTimeout, 10*time.Second)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// Validate reports the first field that cannot work.
func (c TransportConfig) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Protocol == "":
		return errors.New("p2p: the transport has no protocol")
	case c.MaxMessage < 1 || c.MaxMessage > 1<<30:
		return fmt.Errorf("p2p: messages of up to %d bytes", c.MaxMessage)
	case c.PeerStreams < 1 || c.IdleStreams < 1 || c.InboundPerPeer < 1 || c.InboundTotal < 1 || c.Handlers < 1:
		return errors.New("p2p: a stream limit of the transport is negative")
	case c.IdleTimeout < 0 || c.InboundIdle < 0 || c.MessageTimeout < 0:
		return errors.New("p2p: a timeout of the transport is negative")
	}
	return nil
}

// Transport carries the messages of one protocol over libp2p streams. It
// implements overlay.Transport.
//
// Each message is a frame: an unsigned varint with its length, then its bytes.
// A stream carries any number of requests, one after the other, each answered
// before the next is sent; some protocols have messages without an answer.
// Streams are kept for later calls to the same peer.
type Transport struct {
	host host.Host
	cfg  TransportConfig
	pool *pool

	running  running       // calls and inbound streams
	admitted admission     // inbound streams
	handlers chan struct{} // one token for each running handler
	handler  atomic.Value  // overlay.Handler

	mu      sync.Mutex
	offered bool // the protocol is among those the host tells others
	closed  bool

	counters counters
}

var _ overlay.Transport = (*Transport)(nil)

// NewTransport makes a transport on h, which stays its caller's. It offers the
// protocol to others from Serve on, unless it is a client's.
func NewTransport(h host.Host, cfg TransportConfig) (*Transport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	t := &Transport{
		host:     h,
		cfg:      cfg,
		pool:     newPool(cfg.PeerStreams, cfg.IdleStreams, cfg.IdleTimeout),
		handlers: make(chan struct{}, cfg.Handlers),
		admitted: admission{perPeer: cfg.InboundPerPeer, total: cfg.InboundTotal},
	}
	return t, nil
}

// Serve implements overlay.Transport.
func (t *Transport) Serve(h overlay.Handler) {
	t.handler.Store(h)
	t.Offer(!t.cfg.Client)
}

// Offer says whether other nodes may send requests: it adds the protocol to
// those that the host tells its peers, or takes it away. Requests that run go
// on. It does nothing before Serve, and for a client it never offers anything.
func (t *Transport) Offer(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	on = on && !t.cfg.Client && !t.closed && t.handler.Load() != nil
	if on == t.offered {
		return
	}
	t.offered = on
	if on {
		t.host.SetStreamHandler(t.cfg.Protocol, t.serveStream)
	} else {
		t.host.RemoveStreamHandler(t.cfg.Protocol)
	}
}

// Close stops offering the protocol, cancels running calls and handlers and
// waits for them, and ends every stream. Later calls return overlay.ErrClosed.
func (t *Transport) Close() error {
	t.Offer(false)
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.running.close()
	t.pool.close()
	return nil
}

// Call implements overlay.Transport. A stream that was kept from an earlier
// call may have been given up by the peer meanwhile: then, and only then, the
// message is sent a second time, over a fresh stream. Messages of overlay
// protocols can be repeated without harm.
func (t *Transport) Call(ctx context.Context, to overlay.Contact, msg []byte) ([]byte, error) {
	return t.exchange(ctx, to, msg, true)
}

// Send implements overlay.Transport. Nothing is known of the message after it
// left, except that a connection to the peer was there.
func (t *Transport) Send(ctx context.Context, to overlay.Contact, msg []byte) error {
	_, err := t.exchange(ctx, to, msg, false)
	return err
}

func (t *Transport) exchange(ctx context.Context, to overlay.Contact, msg []byte, wantReply bool) ([]byte, error) {
	if len(msg) > t.cfg.MaxMessage {
		return nil, fmt.Errorf("%w: %d bytes to send, more than %d", overlay.ErrBadMessage, len(msg), t.cfg.MaxMessage)
	}
	if to.Peer == t.host.ID() {
		return nil, fmt.Errorf("%w: the message is for this node itself", overlay.ErrRefused)
	}
	ctx, done, ok := t.running.start(ctx)
	if !ok {
		return nil, overlay.ErrClosed
	}
	defer done()
	release, err := t.pool.enter(ctx, to.Peer)
	if err != nil {
		return nil, t.callError(ctx, err)
	}
	defer release()
	for {
		s := t.pool.take(to.Peer, wantReply, t.upgraded)
		reused := s != nil
		if !reused {
			if s, err = t.open(ctx, to); err != nil {
				t.counters.dialFailed.Add(1)
				return nil, t.callError(ctx, err)
			}
		}
		sent := time.Now()
		reply, err := s.exchange(ctx, msg, t.cfg.MaxMessage, wantReply)
		if err == nil {
			if wantReply && reused { // a fresh stream's first answer includes its opening
				t.host.Peerstore().RecordLatency(to.Peer, time.Since(sent))
			}
			t.pool.put(s)
			return reply, nil
		}
		if errors.Is(err, overlay.ErrBadMessage) {
			t.counters.garbage.Add(1)
			t.cfg.Log.Debug("a peer broke the framing of its answer", "peer", to.Peer, "err", err)
		}
		if reused && ctx.Err() == nil && !errors.Is(err, overlay.ErrBadMessage) && !refusal(err) {
			t.counters.retried.Add(1)
			continue
		}
		return nil, t.callError(ctx, err)
	}
}

// upgraded reports whether a stream over a relay should give way because a
// direct connection to its peer exists by now.
func (t *Transport) upgraded(s *outStream) bool {
	return s.raw.Conn().Stat().Limited && t.host.Network().Connectedness(s.peer) == network.Connected
}
