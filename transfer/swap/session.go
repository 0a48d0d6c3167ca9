package swap

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"ringswap/blockhash"
	"ringswap/transfer/swap/pick"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Order is the order in which a session asks for chunks.
type Order = pick.Order

// The orders that there are: see package pick.
const (
	Rarest     = pick.Rarest
	Sequential = pick.Sequential
)

// SessionConfig says how a [Session] fetches. The zero value of every field but
// Network means its default.
type SessionConfig struct {
	// Network is the NAME in the protocol ID /NAME/swap/1.
	Network string
	// Buffer bounds the bytes of blocks that are under way, being verified or
	// being delivered: 16 MiB, at least 4 MiB.
	Buffer int
	// MaxPeers bounds the peers that are used at a time: 64; further ones, up to
	// eight times as many, wait for a place.
	MaxPeers int
	// Workers is the number of goroutines that verify and deliver: one a core.
	Workers int
	// DialTimeout bounds connecting to a peer until it has said what it has: 15 s.
	// WriteTimeout bounds a write of requests: 30 s.
	DialTimeout, WriteTimeout time.Duration
	// Stall is the silence after which a peer loses its requests: 20 s; a
	// quarter of it for a peer that has shown it can do better.
	Stall time.Duration
	// Backoff is the first wait before a lost peer is tried again: 500 ms,
	// doubling up to a minute, each up to a quarter shorter or longer at random.
	// After MaxAttempts failures in a row, 8, a peer is given up until it is added
	// again.
	Backoff     time.Duration
	MaxAttempts int
	// NoProviders ends a fetch with ErrNoProviders when for so long nobody was
	// there who could deliver; 0 waits for as long as the fetch's context.
	NoProviders time.Duration
	// Down bounds what is fetched: each throttle is shared with whoever else
	// uses it. None is no bound.
	Down []*Throttle
	// Ledger keeps the accounts of the peers, best that of the node's Server: a new
	// one.
	Ledger *Ledger
	// Gossip tells peers of the other members of the swarm; nil says nothing.
	Gossip Gossip
	// InOrder says that the chunks are read in order: peers are asked to name all
	// that they have at once.
	InOrder bool
	// Seed makes the choice of chunks repeatable; 0 draws one.
	Seed uint64

	// thanks is how often the session looks whether it has something to say to the
	// peers that it fetches from, beside when everything has come: minThanks.
	thanks time.Duration
}

func (c SessionConfig) withDefaults() SessionConfig {
	def(&c.Buffer, 16<<20)
	def(&c.MaxPeers, 64)
	def(&c.Workers, runtime.GOMAXPROCS(0))
	def(&c.DialTimeout, 15*time.Second)
	def(&c.WriteTimeout, 30*time.Second)
	def(&c.Stall, 20*time.Second)
	def(&c.Backoff, 500*time.Millisecond)
	def(&c.MaxAttempts, 8)
	def(&c.thanks, minThanks)
	if c.Ledger == nil {
		c.Ledger = NewLedger(0)
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	return c
}

// Validate says what is wrong with the configuration.
func (c SessionConfig) Validate() error {
	switch c = c.withDefaults(); {
	case c.Network == "":
		return errors.New("swap: Network is empty")
	case c.Buffer < 4<<20:
		return fmt.Errorf("swap: Buffer of %d bytes, the least is 4 MiB", c.Buffer)
	case c.MaxPeers < 1 || c.Workers < 1 || c.MaxAttempts < 1:
		return errors.New("swap: a bound of the session is negative")
	case c.DialTimeout < 0 || c.WriteTimeout < 0 || c.Stall < 0 || c.Backoff < 0 || c.NoProviders < 0:
		return errors.New("swap: a duration of the session is negative")
	}
	return nil
}

// Session fetches blocks of one root from a changing set of peers. Close ends
// it. Its methods are safe for concurrent use.
type Session struct {
	cfg  SessionConfig
	host host.Host
	root cid.Cid

	wg     sync.WaitGroup // every goroutine of the session
	done   chan struct{}  // closed by Close
	wakeup chan struct{}  // capacity 1: the deadline has come nearer
	thank  chan struct{}  // capacity 1: everything has come

	mu       sync.Mutex
	picker   *pick.Picker
	jobs     map[int]*job
	peers    map[peer.ID]*downstream
	queue    []*downstream // waiting for a place
	running  int
	next     time.Time // when the control goroutine looks again
	slack    time.Time // when the throttles let something through again
	starving time.Time // since when nobody can deliver; zero if somebody can
	closed   bool
	in       inbox
}

// NewSession begins to fetch blocks of root, as soon as peers are added and
// something is asked for.
func NewSession(h host.Host, root cid.Cid, cfg SessionConfig) (*Session, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if !root.Defined() {
		return nil, fmt.Errorf("swap: %w: undefined CID", blockhash.ErrUntrusted)
	}
	cfg = cfg.withDefaults()
	s := &Session{
		cfg: cfg, host: h, root: root,
		done: make(chan struct{}), wakeup: make(chan struct{}, 1), thank: make(chan struct{}, 1),
		picker: pick.New(pick.Config{
			Budget: cfg.Buffer, Stall: cfg.Stall,
			Rand: rand.New(rand.NewPCG(cfg.Seed, cfg.Seed)),
		}),
		jobs: make(map[int]*job), peers: make(map[peer.ID]*downstream),
	}
	s.in = inbox{arrivals: make(map[pick.Key]*arrival), work: sync.NewCond(&s.mu)}
	cfg.Ledger.begin(root)
	s.wg.Add(2 + cfg.Workers)
	go s.control()
	go s.tell()
	for range cfg.Workers {
		go s.deliver()
	}
	return s, nil
}

// Close ends every fetch with ErrClosed, leaves every peer and waits for all
// goroutines of the session, and so for deliveries that are running.
func (s *Session) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
		for _, j := range s.jobs {
			s.endJob(j, ErrClosed)
		}
		for _, p := range s.peers {
			p.leave()
		}
		s.in.work.Broadcast()
		s.cfg.Ledger.end(s.root)
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// step runs f on the picker and then does what the picker wants done. s.mu is
// not held.
func (s *Session) step(f func(k *pick.Picker, now time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		f(s.picker, time.Now())
		s.pump()
	}
}

// maxSlack is how long a throttle that was opened may go unnoticed.
const maxSlack = time.Second

// pump asks the picker what to do and does it. s.mu is held.
func (s *Session) pump() {
	now := time.Now()
	allow := math.MaxInt
	for _, t := range s.cfg.Down {
		if t.Rate() != None {
			allow = min(allow, t.avail(now))
		}
	}
	acts, used := s.picker.Next(now, allow)
	s.slack = time.Time{}
	for _, t := range s.cfg.Down {
		if at := t.spend(now, used); at.After(s.slack) {
			s.slack = at
		}
	}
	for _, a := range acts {
		s.perform(a)
	}
	if s.slack.After(now.Add(maxSlack)) {
		s.slack = now.Add(maxSlack) // a throttle may be opened meanwhile
	}
	d := earlier(s.picker.Deadline(now), s.slack)
	if starved := s.picker.Starved(); !starved {
		s.starving = time.Time{}
	} else if s.starving.IsZero() {
		s.starving = now
	}
	if !s.starving.IsZero() && s.cfg.NoProviders > 0 {
		d = earlier(d, s.starving.Add(s.cfg.NoProviders))
	}
	if !d.IsZero() && (s.next.IsZero() || d.Before(s.next)) {
		s.next = d
		signal(s.wakeup)
	}
}

// perform does one action of the picker. s.mu is held.
func (s *Session) perform(a pick.Action) {
	p := s.peers[a.Peer]
	switch a.Kind {
	case pick.Request:
		p.request(a, s.jobs[a.Key.Job])
	case pick.Cancel:
		p.cancelRequest(a.Req)
	case pick.Keep:
		if p == nil || s.jobs[a.Key.Job] == nil {
			return
		}
		if r := p.requests[a.Req]; r != nil {
			s.arrival(a.Key).keep(a.Off, r.buf[:a.N], &s.in.buffers, a.Peer)
		}
	case pick.Discard:
		if v := s.in.arrivals[a.Key]; v != nil {
			v.discard(a.Off, &s.in.buffers)
		}
	case pick.Ban:
		if p == nil {
			p = s.outlaw(a.Peer)
		}
		p.ban(a.Reason)
	case pick.Drop:
		p.drop(a.Reason)
	}
}

// control wakes the picker when its deadlines come, and watches for starvation.
func (s *Session) control() {
	defer s.wg.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s.mu.Lock()
		if s.next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(s.next))
		}
		s.mu.Unlock()
		select {
		case <-s.done:
			return
		case <-s.wakeup:
			continue
		case <-timer.C:
		}
		s.mu.Lock()
		s.next = time.Time{}
		if !s.closed {
			s.pump()
			s.giveUp(time.Now())
		}
		s.mu.Unlock()
	}
}

// giveUp ends the fetches if nobody could deliver for too long. s.mu is held.
func (s *Session) giveUp(now time.Time) {
	if s.cfg.NoProviders == 0 || s.starving.IsZero() || now.Sub(s.starving) < s.cfg.NoProviders {
		return
	}
	for _, j := range s.jobs {
		s.endJob(j, ErrNoProviders)
	}
	s.starving = time.Time{}
}

// earlier returns the earlier of two times of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
