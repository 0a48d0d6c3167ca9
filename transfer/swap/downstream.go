package swap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"ringswap/transfer/swap/pick"
	"ringswap/transfer/swap/wire"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

// Ways in which a peer breaks the protocol towards a session.
var (
	errNoState    = fmt.Errorf("%w: the first frame is not State", wire.ErrProtocol)
	errUnasked    = fmt.Errorf("%w: an answer to nothing that was asked", wire.ErrProtocol)
	errTooMuch    = fmt.Errorf("%w: more data than was asked for", wire.ErrProtocol)
	errTooLittle  = fmt.Errorf("%w: less data than was asked for", wire.ErrProtocol)
	errBadVersion = fmt.Errorf("%w: an answer in another version", wire.ErrProtocol)
	errBeyond     = fmt.Errorf("%w: a chunk beyond the last", wire.ErrProtocol)
)

// unknownWait is how long a peer that has nothing of the root is kept before it
// is asked anew.
const unknownWait = 30 * time.Second

// downstream is a peer that a session fetches from: who it is, how it is
// reached, and while its stream is open, what is under way. The session's lock
// guards all fields but id.
type downstream struct {
	s       *Session
	id      peer.ID
	info    peer.AddrInfo
	sources []string
	status  PeerStatus
	reason  string // why it is banned, or why it last failed
	banned  bool
	fails   int // attempts in a row that brought nothing
	started bool

	cancel   context.CancelFunc // ends the open stream
	limited  bool
	rtt      time.Duration
	holds    wire.State
	requests map[uint64]*request
	outbox   []byte
	wrote    chan struct{} // capacity 1: outbox has something
	news     *rate.Limiter // of what the peer says it has
	both     wire.Features // that both sides named; 0 before the first State
	told     told
	hears    hearing     // the reader's
	choke    *wire.Choke // what the peer said last, nil if it serves

	received int64 // bytes that came
	verified int64 // bytes of blocks that matched
}

// request is a Want that is not answered to its end. buf belongs to the reader
// of the stream until it becomes a part; its first got bytes do not change any
// more.
type request struct {
	id   uint64
	key  pick.Key
	off  int
	n    int // 0 for a whole block of unknown size
	buf  []byte
	got  int
	lost bool // nobody waits for it; what comes is thrown away
}

// run keeps a stream to the peer open until it is banned or given up, until
// another peer should have its place, or until the session closes.
func (p *downstream) run() {
	s := p.s
	defer s.wg.Done()
	for p.again(p.attempt()) {
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.startQueued()
}

// again decides what comes after a stream that ended with err: it waits, and
// reports whether to try at once after that.
func (p *downstream) again(err error) bool {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, wire.ErrProtocol) && !p.banned {
		p.ban(err.Error())
	}
	if s.closed || p.banned || p.forgotten() {
		p.started = false
		return false
	}
	if p.reason == "" {
		p.reason = err.Error()
	}
	if p.fails++; p.fails >= s.cfg.MaxAttempts {
		p.status, p.started = PeerFailed, false
		return false
	}
	p.status = PeerWaiting
	wait := about(min(s.cfg.Backoff<<(p.fails-1), time.Minute)) // not in step with a peer that dials this one
	if len(s.queue) > 0 {
		wait = min(wait, time.Second)
	}
	s.mu.Unlock()
	timer := time.NewTimer(wait)
	select {
	case <-timer.C:
	case <-s.done:
		timer.Stop()
	}
	s.mu.Lock()
	if s.closed || p.banned || p.forgotten() {
		p.started = false
		return false
	}
	if len(s.queue) > 0 { // somebody else has waited for this place
		p.status = PeerQueued
		s.queue = append(s.queue, p)
		return false
	}
	return true
}

// forgotten reports whether the session knows of the peer no more. s.mu is held.
func (p *downstream) forgotten() bool { return p.s.peers[p.id] != p }

// attempt opens a stream and uses it until it ends; the error says why it did.
func (p *downstream) attempt() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := p.s
	s.mu.Lock()
	if s.closed || p.banned || p.forgotten() { // since again looked, or while it waited for a place
		s.mu.Unlock()
		return ErrClosed
	}
	p.status, p.reason, p.cancel = PeerDialing, "", cancel
	info := p.info
	s.mu.Unlock()

	began := time.Now()
	st, err := p.open(ctx, info)
	if err != nil {
		return err
	}
	unblocked := make(chan struct{})
	unblock := context.AfterFunc(ctx, func() {
		defer close(unblocked)
		_ = st.SetDeadline(time.Now().Add(-time.Second))
	})
	err = p.use(ctx, cancel, st, began)
	cancel()
	if !unblock() {
		<-unblocked
	}
	p.finish()
	code := network.StreamNoError
	if errors.Is(err, wire.ErrProtocol) {
		code = network.StreamProtocolViolation
	}
	_ = st.ResetWithError(code)
	return err
}

func (p *downstream) open(ctx context.Context, info peer.AddrInfo) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(ctx, "swap"), p.s.cfg.DialTimeout)
	defer cancel()
	if err := p.s.host.Connect(ctx, info); err != nil {
		return nil, fmt.Errorf("swap: connect: %w", err)
	}
	st, err := p.s.host.NewStream(ctx, p.id, ProtocolID(p.s.cfg.Network))
	if err != nil {
		return nil, fmt.Errorf("swap: open stream: %w", err)
	}
	return st, nil
}

// use speaks the protocol on st until it ends. The end of ctx makes reads and
// writes of st fail; whoever sets a deadline looks at ctx after that.
func (p *downstream) use(ctx context.Context, cancel context.CancelFunc, st network.Stream, began time.Time) error {
	s := p.s
	s.mu.Lock()
	p.limited = st.Conn().Stat().Limited
	p.requests = make(map[uint64]*request)
	p.news = rate.NewLimiter(newsPerSecond, newsBurst)
	p.wrote = make(chan struct{}, 1)
	p.outbox = wire.Hello{Version: wire.Version, Features: s.features(), Root: s.root}.Append(nil)
	p.both, p.choke, p.hears = 0, nil, newHearing()
	p.told = told{members: began.Add(about(gossipFirst))}
	signal(p.wrote)
	s.mu.Unlock()

	var writeErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		writeErr = p.write(ctx, st)
	}()
	_ = st.SetReadDeadline(time.Now().Add(s.cfg.DialTimeout))
	err := p.read(ctx, st, began)
	cancel()
	<-done
	if !errors.Is(err, wire.ErrProtocol) && !errors.Is(writeErr, context.Canceled) {
		err = writeErr
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("swap: peer closed the stream")
	}
	return err
}

// write sends what is in the outbox, until ctx ends.
func (p *downstream) write(ctx context.Context, st network.Stream) error {
	for {
		p.s.mu.Lock()
		b := p.outbox
		p.outbox = nil
		p.s.mu.Unlock()
		if len(b) > 0 {
			_ = st.SetWriteDeadline(time.Now().Add(p.s.cfg.WriteTimeout))
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if _, err := st.Write(b); err != nil {
				return fmt.Errorf("swap: send requests: %w", err)
			}
			continue
		}
		select {
		case <-p.wrote:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// finish takes the peer out of the picker and frees what was under way.
func (p *downstream) finish() {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.picker.RemovePeer(p.id, p.banned)
	if !s.closed {
		s.pump() // keeps what came of the requests
	}
	for _, r := range p.requests {
		s.in.buffers.put(r.buf)
	}
	p.requests, p.outbox, p.cancel = nil, nil, nil
}

// request queues a Want. s.mu is held.
func (p *downstream) request(a pick.Action, j *job) {
	p.requests[a.Req] = &request{id: a.Req, key: a.Key, off: a.Off, n: a.N}
	w := wire.Want{ID: a.Req, Cid: j.chunks[a.Key.Index].Cid, Offset: uint64(a.Off), Length: uint64(a.N)}
	p.outbox = w.Append(p.outbox)
	signal(p.wrote)
}

// cancelRequest queues a Cancel. s.mu is held.
func (p *downstream) cancelRequest(id uint64) {
	if p == nil || p.requests[id] == nil {
		return
	}
	p.requests[id].lost = true
	p.outbox = wire.Cancel{ID: id}.Append(p.outbox)
	signal(p.wrote)
}

// ban ends the stream for good. s.mu is held.
func (p *downstream) ban(reason string) {
	p.banned, p.status, p.reason = true, PeerBanned, reason
	p.s.cfg.Ledger.ban(p.s.root, p.id, reason)
	p.leave()
}

// drop ends the stream; run tries again later. s.mu is held.
func (p *downstream) drop(reason string) {
	p.reason = reason
	p.leave()
}

// leave ends the stream, or the attempt to open one. s.mu is held.
func (p *downstream) leave() {
	if p.cancel != nil {
		p.cancel()
	}
}

// source adds who said that the peer has the root. s.mu is held.
func (p *downstream) source(name string) {
	if name != "" && !slices.Contains(p.sources, name) && len(p.sources) < 8 {
		p.sources = append(p.sources, name)
	}
}
