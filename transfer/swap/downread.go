package swap

import (
	"context"
	"time"

	"ringswap/transfer/swap/bitset"
	"ringswap/transfer/swap/pick"
	"ringswap/transfer/swap/wire"

	"github.com/libp2p/go-libp2p/core/network"
)

// read parses what the peer sends until the stream ends.
func (p *downstream) read(ctx context.Context, st network.Stream, began time.Time) error {
	r := wire.NewReader(st)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	h, err := r.Next()
	if err != nil {
		return err
	}
	if h.Type != wire.TypeState {
		return errNoState
	}
	rtt := time.Since(began)
	p.s.step(func(k *pick.Picker, now time.Time) {
		if p.rtt = rtt; p.banned {
			return
		}
		p.status = PeerConnected
		k.AddPeer(now, p.id, rtt)
	})
	for {
		if err := p.frame(ctx, st, r, h); err != nil {
			return err
		}
		if h, err = r.Next(); err != nil {
			return err
		}
	}
}

func (p *downstream) frame(ctx context.Context, st network.Stream, r *wire.Reader, h wire.Head) error {
	if h.Type == wire.TypeBlock {
		return p.block(r, h)
	}
	switch h.Type {
	case wire.TypeState, wire.TypeBitmap, wire.TypeHave, wire.TypeRefuse:
	case wire.TypeChoke, wire.TypeUnchoke, wire.TypePeers:
		return p.optional(r, h)
	default:
		return r.Skip(h)
	}
	b, err := r.Body(h)
	if err != nil {
		return err
	}
	switch h.Type {
	case wire.TypeState:
		m, err := wire.ParseState(b)
		if err == nil && m.Status == wire.StatusPartial {
			err = p.afford(ctx, m.Chunks)
		}
		if err == nil {
			err = p.state(ctx, st, m)
		}
		return err
	case wire.TypeBitmap:
		m, err := wire.ParseBitmap(b)
		if err == nil {
			err = p.afford(ctx, 8*uint64(len(m.Bits)))
		}
		if err == nil {
			err = p.bitmap(m)
		}
		return err
	case wire.TypeHave:
		m, err := wire.ParseHave(b)
		if err == nil {
			err = p.afford(ctx, m.Chunks())
		}
		if err == nil {
			err = p.have(m)
		}
		return err
	}
	m, err := wire.ParseRefuse(b)
	if err == nil {
		err = p.refused(m)
	}
	return err
}

// optional takes a frame that the peer may send only if both sides named its
// feature.
func (p *downstream) optional(r *wire.Reader, h wire.Head) error {
	switch {
	case h.Type != wire.TypePeers && p.offers(wire.FeatureChoke):
	case h.Type == wire.TypePeers && p.offers(wire.FeaturePeers) && p.hears.peers(time.Now()):
	default:
		return r.Skip(h)
	}
	if h.Len > wire.MaxSkipped {
		return errLong
	}
	b, err := r.Body(h)
	if err != nil {
		return err
	}
	switch h.Type {
	case wire.TypeChoke:
		m, err := wire.ParseChoke(b)
		if err == nil {
			p.choked(&m)
		}
		return err
	case wire.TypeUnchoke:
		_, err := wire.ParseUnchoke(b)
		if err == nil {
			p.choked(nil)
		}
		return err
	}
	m, err := wire.ParsePeers(b)
	if err == nil {
		p.s.cfg.Gossip.Heard(p.s.root, p.id, infos(m))
	}
	return err
}

// choked notes that the peer lets this node wait, or with nil that it does not.
func (p *downstream) choked(m *wire.Choke) {
	p.s.step(func(k *pick.Picker, now time.Time) {
		p.choke = m
		if m == nil {
			k.Unchoked(now, p.id)
		} else {
			k.Choked(p.id)
		}
	})
}

// News from a peer costs a token a frame and one for so many chunks that it
// concerns; a peer that has spent its burst waits. The burst is enough to tell
// of the largest bitmap twice.
const (
	newsPerSecond = 50
	newsBurst     = 4 * wire.MaxChunks / newsChunks
	newsChunks    = 4096
)

// afford waits until news of that many chunks is within what a peer may make us
// work through.
func (p *downstream) afford(ctx context.Context, chunks uint64) error {
	return p.news.WaitN(ctx, 1+int(min(chunks, wire.MaxChunks)/newsChunks))
}

func (p *downstream) state(ctx context.Context, st network.Stream, m wire.State) error {
	if m.Version != wire.Version {
		return errBadVersion
	}
	if m.Status == wire.StatusUnknown {
		_ = st.SetReadDeadline(time.Now().Add(unknownWait))
	} else {
		_ = st.SetReadDeadline(time.Time{})
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.s.step(func(k *pick.Picker, _ time.Time) {
		p.holds, p.both = m, m.Features&features(p.s.cfg.Gossip)
		have := bitset.New(0)
		if m.Status == wire.StatusPartial {
			have = bitset.New(int(m.Chunks))
		}
		k.SetState(p.id, m.Status == wire.StatusComplete, have)
	})
	return nil
}

func (p *downstream) bitmap(m wire.Bitmap) error {
	if p.holds.Status != wire.StatusPartial || m.First >= p.holds.Chunks {
		return errBeyond
	}
	var err error
	p.s.step(func(k *pick.Picker, _ time.Time) {
		for i := range m.Bits {
			for bit := range 8 {
				if m.Bits[i]&(1<<bit) == 0 {
					continue
				}
				c := m.First + uint64(8*i+bit)
				if c >= p.holds.Chunks {
					err = errBeyond
					return
				}
				k.AddHave(p.id, int(c), 1)
			}
		}
	})
	return err
}

func (p *downstream) have(m wire.Have) error {
	last := m.Runs[len(m.Runs)-1]
	if p.holds.Status != wire.StatusPartial || last.First+last.Count > p.holds.Chunks {
		return errBeyond
	}
	p.s.step(func(k *pick.Picker, _ time.Time) {
		for _, run := range m.Runs {
			k.AddHave(p.id, int(run.First), int(run.Count))
		}
	})
	return nil
}

func (p *downstream) refused(m wire.Refuse) error {
	err := errUnasked
	p.s.step(func(k *pick.Picker, now time.Time) {
		r := p.requests[m.ID]
		if r == nil {
			return
		}
		err = nil
		k.Refused(now, p.id, m.ID, m.Reason)
		p.s.pump() // keeps what came before the refusal, while r is still there
		delete(p.requests, m.ID)
		p.s.in.buffers.put(r.buf)
	})
	return err
}

// block reads one piece, straight to its place.
func (p *downstream) block(r *wire.Reader, h wire.Head) error {
	m, err := r.Block(h)
	if err != nil {
		return err
	}
	s := p.s
	s.mu.Lock()
	q := p.requests[m.ID]
	if q == nil {
		gone := s.closed || p.banned
		s.mu.Unlock()
		if gone {
			return ErrClosed
		}
		return errUnasked
	}
	err = q.makeRoom(m, &s.in.buffers)
	lost := q.lost
	s.mu.Unlock()
	if err != nil {
		return err
	}
	for left := m.Len; left > 0; {
		var n int
		if lost {
			n, err = left, r.Discard(left)
		} else {
			n, err = r.Data(q.buf[q.got : q.got+left])
		}
		if err != nil {
			return err
		}
		left -= n
		lost = p.arrived(q, n)
	}
	if m.Last {
		p.answered(q)
	}
	return nil
}

// makeRoom checks a piece against what was asked and sees to it that there is
// room for it. The session's lock is held.
func (q *request) makeRoom(m wire.Block, pool *bufferPool) error {
	end := q.got + m.Len
	switch {
	case q.n > 0 && end > q.n, end > wire.MaxBlock:
		return errTooMuch
	case m.Last && end < q.n:
		return errTooLittle
	case q.lost:
		pool.put(q.buf)
		q.buf = nil
		return nil
	case q.buf == nil && q.n > 0:
		q.buf = pool.get(q.n)
	case end > len(q.buf):
		grown := make([]byte, max(end, min(2*len(q.buf), wire.MaxBlock)))
		copy(grown, q.buf[:q.got])
		q.buf = grown
	}
	return nil
}

// arrived notes n bytes of q's answer, and reports whether the rest is unwanted.
func (p *downstream) arrived(q *request, n int) (lost bool) {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	q.got += n
	p.received += int64(n)
	p.fails, p.choke = 0, nil
	s.cfg.Ledger.received(s.root, p.id, int64(n))
	if s.closed {
		return true
	}
	wanted, more := s.picker.Received(time.Now(), p.id, q.id, n)
	if !wanted {
		q.lost = true
	}
	if more {
		s.pump()
	}
	return q.lost
}

// answered ends a request whose last piece has come.
func (p *downstream) answered(q *request) {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(p.requests, q.id)
	if s.closed {
		return
	}
	key, full := s.picker.Finished(time.Now(), p.id, q.id)
	if q.lost || key == (pick.Key{}) {
		s.in.buffers.put(q.buf)
	} else {
		v := s.arrival(key)
		v.put(part{off: q.off, data: q.buf[:q.got], from: p.id})
		if full {
			s.in.full = append(s.in.full, v)
			s.in.work.Signal()
		}
	}
	s.pump()
}
