package swap

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"ringswap/transfer/swap/fair"
	"ringswap/transfer/swap/wire"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// ProtocolID is the swap protocol's name in a network.
func ProtocolID(name string) protocol.ID { return protocol.ID("/" + name + "/swap/1") }

// ServerConfig says how a [Server] serves. The zero value of every field but
// Network means its default.
type ServerConfig struct {
	// Network is the NAME in the protocol ID /NAME/swap/1.
	Network string
	// Up bounds what is sent, in bytes of blocks a second; 0 is no bound, None
	// serves nobody. It can be changed with SetLimit.
	Up Rate
	// MaxStreams and MaxStreamsPerPeer bound the streams served at a time: 256
	// and 16. A stream costs about 20 KiB while it is quiet.
	MaxStreams, MaxStreamsPerPeer int
	// MaxWants bounds the unanswered Wants of one stream: 512. Further ones are
	// refused as busy.
	MaxWants int
	// MaxWriting bounds the bytes of blocks that are being written to all peers
	// at a time: 8 MiB. One peer gets at most an eighth of it.
	MaxWriting int
	// WriteTimeout is how long a peer may take to accept one turn, which is 16 KiB
	// for a slow peer and up to 256 KiB for a fast one: a minute. HelloTimeout is how long it may be silent at first: 10 s.
	WriteTimeout, HelloTimeout time.Duration
	// Patience is how long it may take if other peers wait for its room, unless
	// turns take as long for everybody: 2 s.
	Patience time.Duration
	// Ledger keeps the accounts: a new one. Choker makes the rule by which the
	// server decides over its book who is served next: [fair.Credit].
	Ledger *Ledger
	Choker func(*fair.Book) fair.Choker
	// Gossip tells peers of the other members of a swarm; nil says nothing.
	Gossip Gossip
}

func (c ServerConfig) withDefaults() ServerConfig {
	def(&c.MaxStreams, 256)
	def(&c.MaxStreamsPerPeer, 16)
	def(&c.MaxWants, 512)
	def(&c.MaxWriting, 8<<20)
	def(&c.WriteTimeout, time.Minute)
	def(&c.HelloTimeout, 10*time.Second)
	def(&c.Patience, 2*time.Second)
	if c.Choker == nil {
		c.Choker = func(b *fair.Book) fair.Choker { return fair.NewCredit(b, fair.CreditConfig{}) }
	}
	if c.Ledger == nil {
		c.Ledger = NewLedger(0)
	}
	return c
}

// def sets a field that was left zero.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate says what is wrong with the configuration.
func (c ServerConfig) Validate() error {
	switch c = c.withDefaults(); {
	case c.Network == "":
		return errors.New("swap: Network is empty")
	case c.MaxStreams < 1 || c.MaxStreamsPerPeer < 1 || c.MaxWants < 1:
		return errors.New("swap: a bound of the server is negative")
	case c.MaxWriting < 8*maxTurn:
		return fmt.Errorf("swap: MaxWriting of %d bytes, the least is %d", c.MaxWriting, 8*maxTurn)
	case c.WriteTimeout < 0 || c.HelloTimeout < 0 || c.Patience < 0:
		return errors.New("swap: a timeout of the server is negative")
	}
	return c.Up.validate()
}

// Server answers the swap protocol of a host from a [Source]. Close ends it.
type Server struct {
	cfg      ServerConfig
	host     host.Host
	src      Source
	uploads  *uploads
	throttle *Throttle
	roots    *rootLimits
	buffers  chan []byte // idle turn buffers

	wg sync.WaitGroup // the handlers of all streams

	mu      sync.Mutex // held before that of an upstream or the ledger
	streams map[*upstream]struct{}
	perPeer map[peer.ID]int
	closed  bool
}

// NewServer starts to serve src on h.
func NewServer(h host.Host, src Source, cfg ServerConfig) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	throttle, roots := NewThrottle(cfg.Up), &rootLimits{}
	s := &Server{
		cfg: cfg, host: h, src: src, throttle: throttle, roots: roots,
		uploads: &uploads{
			throttle: throttle, roots: roots, ledger: cfg.Ledger, choker: cfg.Choker(cfg.Ledger.book),
			max: cfg.MaxWriting, maxPeer: cfg.MaxWriting / 8, patience: cfg.Patience,
		},
		buffers: make(chan []byte, 8),
		streams: make(map[*upstream]struct{}),
		perPeer: make(map[peer.ID]int),
	}
	h.SetStreamHandler(ProtocolID(cfg.Network), s.handle)
	return s, nil
}

// SetLimit changes the bound on what is sent, at once.
func (s *Server) SetLimit(up Rate) error {
	if err := up.validate(); err != nil {
		return err
	}
	s.throttle.Set(up)
	s.uploads.wake()
	return nil
}

// Close stops serving, ends every stream and waits for their goroutines.
func (s *Server) Close() error {
	s.host.RemoveStreamHandler(ProtocolID(s.cfg.Network))
	s.mu.Lock()
	s.closed = true
	for u := range s.streams {
		u.stop()
	}
	s.mu.Unlock()
	s.uploads.close()
	s.wg.Wait()
	return nil
}

// Upload is what the server does for one stream.
type Upload struct {
	Peer  peer.ID
	Root  cid.Cid // undefined until the peer has said which
	Wants int     // unanswered
	Sent  int64   // bytes of blocks
	Since time.Time
	// Choked says that the peer waits and was told so; Reason says why.
	Choked bool
	Reason wire.ChokeReason
	// Standing is what decides when it is served.
	Standing Standing
}

// Uploads lists the streams that are being served, in no order.
func (s *Server) Uploads() []Upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Upload, 0, len(s.streams))
	for u := range s.streams {
		out = append(out, u.stat())
	}
	return out
}

func (s *Server) handle(st network.Stream) {
	u := newUpstream(s, st)
	if !s.admit(u) {
		_ = st.ResetWithError(network.StreamResourceLimitExceeded)
		return
	}
	defer s.wg.Done()
	defer s.dismiss(u)
	u.run()
}

// admit counts a new stream in, if need be in place of one that has long been
// idle. The caller then owes dismiss and wg.Done.
func (s *Server) admit(u *upstream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.perPeer[u.peer] >= s.cfg.MaxStreamsPerPeer {
		return false
	}
	if len(s.streams) >= s.cfg.MaxStreams && !s.evictIdle() {
		return false
	}
	s.wg.Add(1)
	s.streams[u] = struct{}{}
	s.perPeer[u.peer]++
	return true
}

// idleGrace is how long a stream may be without Wants before it has to make
// room for a new one.
const idleGrace = time.Minute

// evictIdle asks the longest idle stream to end. It is s.mu held. The newcomer
// is let in at once, so for a moment there is one stream more than MaxStreams.
func (s *Server) evictIdle() bool {
	var oldest *upstream
	since := time.Now().Add(-idleGrace)
	for u := range s.streams {
		if t, idle := u.idleSince(); idle && t.Before(since) {
			oldest, since = u, t
		}
	}
	if oldest == nil {
		return false
	}
	oldest.stop()
	return true
}

func (s *Server) dismiss(u *upstream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, u)
	if s.perPeer[u.peer]--; s.perPeer[u.peer] == 0 {
		delete(s.perPeer, u.peer)
	}
}

// turnBuffer returns a buffer of turnBufferBytes; putBuffer takes it back.
func (s *Server) turnBuffer() []byte {
	select {
	case b := <-s.buffers:
		return b
	default:
		return make([]byte, turnBufferBytes)
	}
}

func (s *Server) putBuffer(b []byte) {
	select {
	case s.buffers <- b:
	default:
	}
}
