package p2p

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// pool keeps outbound streams between calls and bounds the calls to one peer.
type pool struct {
	perPeer     int
	maxIdle     int
	idleTimeout time.Duration

	mu     sync.Mutex
	peers  map[peer.ID]*peerStreams
	idle   int
	closed bool
	// sweep ends streams that were idle for too long. It is armed while there
	// are idle streams.
	sweep *time.Timer
}

// peerStreams is what the pool knows of one peer. It exists while there are
// calls or idle streams.
type peerStreams struct {
	slots chan struct{} // one token for each running call
	users int           // calls that run or wait
	idle  []*outStream  // the most recently used last
}

func newPool(perPeer, maxIdle int, idleTimeout time.Duration) *pool {
	return &pool{perPeer: perPeer, maxIdle: maxIdle, idleTimeout: idleTimeout, peers: make(map[peer.ID]*peerStreams)}
}

// enter waits until a call to p may run. release ends it.
func (p *pool) enter(ctx context.Context, id peer.ID) (release func(), err error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, overlay.ErrClosed
	}
	ps := p.peers[id]
	if ps == nil {
		ps = &peerStreams{slots: make(chan struct{}, p.perPeer)}
		p.peers[id] = ps
	}
	ps.users++
	p.mu.Unlock()

	select {
	case ps.slots <- struct{}{}:
		return func() { <-ps.slots; p.leave(id, ps) }, nil
	case <-ctx.Done():
		p.leave(id, ps)
		return nil, ctx.Err()
	}
}

func (p *pool) leave(id peer.ID, ps *peerStreams) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ps.users--
	p.forget(id, ps)
}

// forget drops a peer that has neither calls nor idle streams.
func (p *pool) forget(id peer.ID, ps *peerStreams) {
	if ps.users == 0 && len(ps.idle) == 0 {
		delete(p.peers, id)
	}
}

// take returns an idle stream to the peer, or nil. A call gets one that carried
// no one-way message; a one-way message rather one that did. Streams that are of
// no use any more are dropped: those whose connection is closed, and those that
// stale says are.
func (p *pool) take(id peer.ID, forCall bool, stale func(*outStream) bool) *outStream {
	var drop []*outStream
	defer func() { discard(drop) }()
	p.mu.Lock()
	defer p.mu.Unlock()
	ps := p.peers[id]
	if ps == nil {
		return nil
	}
	ps.idle = slices.DeleteFunc(ps.idle, func(s *outStream) bool {
		useless := s.raw.Conn().IsClosed() || stale(s)
		if useless {
			drop = append(drop, s)
			p.idle--
		}
		return useless
	})
	i := lastIdle(ps.idle, !forCall)
	if i < 0 && !forCall {
		i = lastIdle(ps.idle, false)
	}
	if i < 0 {
		return nil
	}
	s := ps.idle[i]
	ps.idle = slices.Delete(ps.idle, i, i+1)
	p.idle--
	return s
}

// lastIdle is the index of the most recently used stream that did, or did not,
// carry one-way messages; -1 if there is none.
func lastIdle(idle []*outStream, sent bool) int {
	for i := len(idle) - 1; i >= 0; i-- {
		if idle[i].sent == sent {
			return i
		}
	}
	return -1
}

// put keeps s for later, or ends it if the pool is closed. When the pool is
// full the stream that was idle longest goes.
func (p *pool) put(s *outStream) {
	var drop []*outStream
	defer func() { discard(drop) }()
	p.mu.Lock()
	defer p.mu.Unlock()
	ps := p.peers[s.peer]
	if p.closed || ps == nil {
		drop = append(drop, s)
		return
	}
	s.idleSince = time.Now()
	ps.idle = append(ps.idle, s)
	p.idle++
	if p.idle > p.maxIdle {
		drop = append(drop, p.removeOldest())
	}
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.idleTimeout, p.expire)
	}
}

func (p *pool) removeOldest() *outStream {
	var oldest *peerStreams
	for _, ps := range p.peers {
		if len(ps.idle) > 0 && (oldest == nil || ps.idle[0].idleSince.Before(oldest.idle[0].idleSince)) {
			oldest = ps
		}
	}
	s := oldest.idle[0]
	oldest.idle = oldest.idle[1:]
	p.idle--
	p.forget(s.peer, oldest)
	return s
}

// expire ends what was idle for idleTimeout and arms the timer for the rest.
func (p *pool) expire() {
	var drop []*outStream
	defer func() { discard(drop) }()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep = nil
	if p.closed {
		return
	}
	now := time.Now()
	var next time.Time
	for id, ps := range p.peers {
		for len(ps.idle) > 0 && now.Sub(ps.idle[0].idleSince) >= p.idleTimeout {
			drop = append(drop, ps.idle[0])
			ps.idle = ps.idle[1:]
			p.idle--
		}
		if len(ps.idle) > 0 {
			if at := ps.idle[0].idleSince; next.IsZero() || at.Before(next) {
				next = at
			}
		}
		p.forget(id, ps)
	}
	if !next.IsZero() {
		p.sweep = time.AfterFunc(next.Add(p.idleTimeout).Sub(now), p.expire)
	}
}

// close ends all idle streams.
func (p *pool) close() {
	var drop []*outStream
	defer func() { discard(drop) }()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
	for id, ps := range p.peers {
		drop = append(drop, ps.idle...)
		ps.idle = nil
		p.forget(id, ps)
	}
	p.idle = 0
}

// discard ends streams that are not wanted any more. They are closed rather
// than reset: what was sent last still arrives.
func discard(streams []*outStream) {
	for _, s := range streams {
		_ = s.raw.Close()
	}
}
