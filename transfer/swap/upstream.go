package swap

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"time"

	"ringswap/transfer/swap/wire"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

const (
	// maxControl bounds the bytes of small frames that wait for a peer to read
	// them; while they are more, nothing is read from it.
	maxControl = 64 << 10
	// framesPerSecond bounds what a peer can make us parse.
	framesPerSecond = 20_000
	frameBurst      = 4096
)

// upstream is one stream that the server serves: a reader that queues Wants,
// and a writer that answers them.
type upstream struct {
	srv  *Server
	s    network.Stream
	peer peer.ID
	net  netip.Prefix // its household

	notify chan struct{} // capacity 1: the writer has something to look at
	drain  chan struct{} // capacity 1: the writer has written control frames
	cancel context.CancelFunc
	turn   int // bytes of the next turn at most; the writer's
	// waits is since when the peer waits for a turn, zero if it does not; the
	// writer's.
	waits time.Time
	hears hearing // the reader's

	mu      sync.Mutex
	root    cid.Cid
	both    wire.Features // that both sides named
	choked  bool          // the peer was last told that it waits
	why     wire.ChokeReason
	wants   []*upWant // in the order in which they came
	byID    map[uint64]*upWant
	control []byte // frames to be written before any data
	sent    int64
	idle    time.Time // since when wants is empty
	since   time.Time
	ended   bool
}

// upWant is a Want that is not yet answered in full.
type upWant struct {
	wire.Want
	opened   bool  // off, end and size are set
	off, end int64 // what is left of it
	size     int64 // of its block
	canceled bool
}

func newUpstream(srv *Server, s network.Stream) *upstream {
	now := time.Now()
	return &upstream{
		srv: srv, s: s, peer: s.Conn().RemotePeer(), turn: firstTurn,
		net: household(s.Conn().RemoteMultiaddr()), hears: newHearing(),
		notify: make(chan struct{}, 1), drain: make(chan struct{}, 1),
		byID: make(map[uint64]*upWant), idle: now, since: now,
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run serves the stream until the peer ends it or breaks the protocol, or until
// stop.
func (u *upstream) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	u.mu.Lock()
	u.cancel = cancel
	if u.ended {
		cancel()
	}
	u.mu.Unlock()

	// The end of ctx unblocks the reader and the writer; each of them ends ctx.
	unblocked := make(chan struct{})
	unblock := context.AfterFunc(ctx, func() {
		defer close(unblocked)
		past := time.Now().Add(-time.Second)
		_ = u.s.SetDeadline(past)
	})
	code := u.serve(ctx, cancel)
	cancel()
	if !unblock() {
		<-unblocked
	}
	if code == network.StreamNoError {
		_ = u.s.Close()
		return
	}
	_ = u.s.ResetWithError(code)
}

// serve is the reader; it owns the writer.
func (u *upstream) serve(ctx context.Context, cancel context.CancelFunc) network.StreamErrorCode {
	r := wire.NewReader(u.s)
	_ = u.s.SetReadDeadline(time.Now().Add(u.srv.cfg.HelloTimeout))
	hello, err := readHello(r)
	if err != nil {
		return codeOf(ctx, err)
	}
	_ = u.s.SetReadDeadline(time.Time{})
	if ctx.Err() != nil {
		return network.StreamShutdown
	}
	u.mu.Lock()
	u.root, u.both = hello.Root, hello.Features&u.srv.features()
	u.mu.Unlock()

	var writeErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		writeErr = u.write(ctx)
	}()
	err = u.read(ctx, r)
	if errors.Is(err, io.EOF) {
		// The peer asks no more; it may still read what it asked for.
		u.finish()
	} else {
		cancel()
	}
	<-done
	if errors.Is(err, io.EOF) || !errors.Is(err, wire.ErrProtocol) && writeErr != nil {
		err = writeErr
	}
	return codeOf(ctx, err)
}

// codeOf is what the peer is told about the end of the stream.
func codeOf(ctx context.Context, err error) network.StreamErrorCode {
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		return network.StreamNoError
	case errors.Is(err, wire.ErrProtocol):
		return network.StreamProtocolViolation
	case errors.Is(err, errSlow), errors.As(err, &timeout) && timeout.Timeout() && ctx.Err() == nil:
		return network.StreamRateLimited
	}
	return network.StreamShutdown
}

func readHello(r *wire.Reader) (wire.Hello, error) {
	h, err := r.Next()
	if err != nil {
		return wire.Hello{}, err
	}
	if h.Type != wire.TypeHello {
		return wire.Hello{}, errFirst
	}
	b, err := r.Body(h)
	if err != nil {
		return wire.Hello{}, err
	}
	return wire.ParseHello(b)
}

// read parses frames until the stream ends. It holds back a peer that sends
// more of them than anyone needs, or that does not read its refusals.
func (u *upstream) read(ctx context.Context, r *wire.Reader) error {
	flood := rate.NewLimiter(framesPerSecond, frameBurst)
	for {
		h, err := r.Next()
		if err != nil {
			return err
		}
		if !flood.Allow() {
			if err := flood.Wait(ctx); err != nil {
				return err
			}
		}
		if err := u.frame(ctx, r, h); err != nil {
			return err
		}
	}
}

func (u *upstream) frame(ctx context.Context, r *wire.Reader, h wire.Head) error {
	most := maxRequest
	switch {
	case h.Type == wire.TypeWant, h.Type == wire.TypeCancel:
	case h.Type == wire.TypeVouch && u.both&wire.FeatureVouch != 0:
		if !u.hears.vouch(time.Now()) {
			u.srv.cfg.Ledger.ignored()
			return r.Skip(h)
		}
		most = maxVouch
	case h.Type == wire.TypePeers && u.both&wire.FeaturePeers != 0 && u.hears.peers(time.Now()):
		most = wire.MaxSkipped
	default:
		return r.Skip(h)
	}
	if h.Len > most {
		return errLong
	}
	b, err := r.Body(h)
	if err != nil {
		return err
	}
	switch h.Type {
	case wire.TypeCancel:
		m, err := wire.ParseCancel(b)
		if err == nil {
			u.cancelWant(m.ID)
		}
		return err
	case wire.TypeVouch:
		m, err := wire.ParseVouch(b)
		if err == nil {
			u.vouch(m)
		}
		return err
	case wire.TypePeers:
		m, err := wire.ParsePeers(b)
		if err == nil {
			u.srv.cfg.Gossip.Heard(u.root, u.peer, infos(m))
		}
		return err
	}
	m, err := wire.ParseWant(b)
	if err != nil {
		return err
	}
	return u.want(ctx, m)
}

// vouch takes what the peer says of itself or others. A refusal is counted, and
// no violation: its signer may have begun to count anew, or its clock be wrong.
func (u *upstream) vouch(m wire.Vouch) {
	_ = u.srv.cfg.Ledger.take(time.Now(), u.root, u.srv.host.ID(), u.peer, m, u.srv.host.Peerstore().PubKey)
}

// choke tells the peer that it waits. It does not block.
func (u *upstream) choke(m wire.Choke) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.choked, u.why = true, m.Reason
	if u.both&wire.FeatureChoke != 0 {
		u.control = m.Append(u.control)
	}
	signal(u.notify)
}

// unchoke returns the frame that goes before the blocks of a turn, if any does.
func (u *upstream) unchoke(b []byte) []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.choked && u.both&wire.FeatureChoke != 0 {
		b = wire.Unchoke{}.Append(b)
	}
	u.choked = false
	return b
}

// want queues a Want, or a refusal of it.
func (u *upstream) want(ctx context.Context, m wire.Want) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.control) > maxControl {
		u.mu.Unlock()
		select {
		case <-u.drain:
		case <-ctx.Done():
		}
		u.mu.Lock()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	switch {
	case u.byID[m.ID] != nil:
		return errSameID
	case u.srv.servesNobody(u.root):
		u.control = wire.Refuse{ID: m.ID, Reason: wire.ReasonClosed}.Append(u.control)
	case len(u.wants) >= u.srv.cfg.MaxWants:
		u.control = wire.Refuse{ID: m.ID, Reason: wire.ReasonBusy}.Append(u.control)
	default:
		w := &upWant{Want: m}
		u.wants = append(u.wants, w)
		u.byID[m.ID] = w
	}
	signal(u.notify)
	return nil
}

func (u *upstream) cancelWant(id uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if w := u.byID[id]; w != nil {
		w.canceled = true
		signal(u.notify)
	}
}

// finish lets the writer end once every Want is answered.
func (u *upstream) finish() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	signal(u.notify)
}

// stop ends the stream from outside; it does not wait.
func (u *upstream) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	if u.cancel != nil {
		u.cancel()
	}
}

func (u *upstream) stat() Upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	return Upload{
		Peer: u.peer, Root: u.root, Wants: len(u.wants), Sent: u.sent, Since: u.since,
		Choked: u.choked && len(u.wants) > 0, Reason: u.why, Standing: u.srv.cfg.Ledger.Standing(u.root, u.peer),
	}
}

// taken returns the bytes of blocks that the peer was sent, and whether it asks for
// nothing now.
func (u *upstream) taken() (sent int64, idle bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sent, len(u.wants) == 0
}

func (u *upstream) idleSince() (time.Time, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.idle, len(u.wants) == 0
}
