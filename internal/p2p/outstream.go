package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	msmux "github.com/multiformats/go-multistream"

	"ringswap/overlay"
)

// Codes that a stream is reset with. Peers that know no codes see a plain reset.
const (
	// resetRefused: the request was understood and will not be answered. It is
	// from the range that libp2p leaves to applications.
	resetRefused network.StreamErrorCode = 0x01
	// resetGarbage: the message broke the framing.
	resetGarbage = network.StreamProtocolViolation
	// resetBusy: too many streams.
	resetBusy = network.StreamResourceLimitExceeded
	// resetSlow: a message was begun and not finished, or an answer not taken.
	resetSlow = network.StreamRateLimited
)

// outStream is an outbound stream and the reader that may hold the beginning
// of an answer. One call at a time uses it.
type outStream struct {
	peer peer.ID
	raw  network.Stream
	rw   io.ReadWriter // raw behind the protocol negotiation
	r    *bufio.Reader
	// sent says that a message without an answer went this way. Peers that
	// answer it after all would be one answer ahead, so the stream carries no
	// calls from then on.
	sent bool

	idleSince time.Time
}

// open opens a stream to a peer, connecting to it first if need be.
//
// The negotiation is lazy: the protocol's name travels with the first message,
// and the peer's consent with the answer, so that on a new connection the first
// answer is one round trip away. Waiting for identify, as libp2p's host does,
// would cost a second one at every hop of a lookup.
func (t *Transport) open(ctx context.Context, to overlay.Contact) (*outStream, error) {
	if t.host.Network().Connectedness(to.Peer) != network.Connected {
		t.host.Peerstore().AddAddrs(to.Peer, dialable(to.Addrs), peerstore.TempAddrTTL)
	}
	raw, err := t.host.Network().NewStream(network.WithAllowLimitedConn(ctx, string(t.cfg.Protocol)), to.Peer)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", to.Peer, err)
	}
	if err := raw.SetProtocol(t.cfg.Protocol); err != nil {
		_ = raw.Reset()
		return nil, err
	}
	t.counters.opened.Add(1)
	rw := msmux.NewMSSelect(raw, t.cfg.Protocol)
	return &outStream{peer: to.Peer, raw: raw, rw: rw, r: bufio.NewReaderSize(rw, frameStep)}, nil
}

// maxContactAddrs is how many addresses of a contact are tried: what the
// overlay learned of a peer may come from a third party.
const maxContactAddrs = 32

// dialable drops addresses that cannot be dialled by anyone.
func dialable(addrs []ma.Multiaddr) []ma.Multiaddr {
	good := make([]ma.Multiaddr, 0, min(len(addrs), maxContactAddrs))
	for _, a := range addrs {
		if len(good) == maxContactAddrs {
			break
		}
		if len(a) == 0 || manet.IsIPUnspecified(a) {
			continue
		}
		if ip, err := manet.ToIP(a); err == nil && ip.IsMulticast() {
			continue
		}
		good = append(good, a)
	}
	return good
}

// exchange sends one message and reads the answer, if one is wanted. After an
// error the stream is reset. The end of ctx resets it too.
func (s *outStream) exchange(ctx context.Context, msg []byte, limit int, wantReply bool) (reply []byte, err error) {
	stop := context.AfterFunc(ctx, func() { _ = s.raw.Reset() })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = s.raw.Reset()
		}
	}()
	frame := appendFrame(make([]byte, 0, maxFrameHeader+len(msg)), msg)
	if _, err := s.rw.Write(frame); err != nil {
		return nil, err
	}
	if !wantReply {
		s.sent = true
		return nil, nil
	}
	reply, err = readFrame(s.r, limit)
	if err == nil && s.r.Buffered() > 0 {
		// An answer to nothing: whatever comes next on this stream is in doubt.
		return nil, fmt.Errorf("%w: more than one answer", overlay.ErrBadMessage)
	}
	return reply, err
}

// refusal reports whether err is the peer's own decision rather than the loss
// of a stream or connection.
func refusal(err error) bool {
	var unsupported msmux.ErrNotSupported[protocol.ID]
	if errors.As(err, &unsupported) {
		return true
	}
	var reset *network.StreamError
	return errors.As(err, &reset) && reset.Remote &&
		(reset.ErrorCode == resetRefused || reset.ErrorCode == resetGarbage || reset.ErrorCode == resetBusy)
}

// callError says what became of a call in the overlay's terms.
func (t *Transport) callError(ctx context.Context, err error) error {
	var reset *network.StreamError
	switch {
	case t.running.isClosed():
		return overlay.ErrClosed
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", overlay.ErrTimeout, err)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, overlay.ErrBadMessage), errors.Is(err, overlay.ErrClosed):
		return err
	case refusal(err), errors.Is(err, network.ErrResourceLimitExceeded),
		errors.As(err, &reset) && reset.Remote, errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %w", overlay.ErrRefused, err)
	default:
		return err
	}
}
