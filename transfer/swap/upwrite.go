package swap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ringswap/transfer/swap/fair"
	"ringswap/transfer/swap/wire"

	"github.com/ipfs/go-cid"
)

// Ways in which a peer breaks the protocol towards the server.
var (
	errFirst  = fmt.Errorf("%w: the first frame is not Hello", wire.ErrProtocol)
	errSameID = fmt.Errorf("%w: two Wants under one number", wire.ErrProtocol)
	errLong   = fmt.Errorf("%w: a frame that is too long", wire.ErrProtocol)
	// errSlow: the peer did not take in time what it asked for.
	errSlow = errors.New("swap: peer reads too slowly")
)

const (
	// maxRequest is the longest body of a Want or Cancel, in bytes.
	maxRequest = 256
	// maxPieces bounds the pieces of one turn: small blocks go out together.
	maxPieces = 64
	// maxVouch is the longest body of a Vouch: one RSA signature and names.
	maxVouch = 1024
	// dataAt is where in a turn's buffer the data of its first piece begins, with
	// the head before it: the kernel copies to such a place four times as fast as
	// to one a few bytes off (1 GiB from the page cache: 0.18 s against 0.7 s).
	dataAt = 64
	// turnBufferBytes holds a turn, the heads of its pieces and an Unchoke.
	turnBufferBytes = dataAt + maxTurn + maxPieces*wire.MaxBlockHead
	// haveEvery is the least time between two Have updates.
	haveEvery = 50 * time.Millisecond
)

// piece is a part of a Want that goes out in one Block frame.
type piece struct {
	w    *upWant
	off  int64
	n    int
	last bool
}

// write answers Wants and tells of news until ctx ends, the peer stops taking,
// or, after finish, everything is answered.
func (u *upstream) write(ctx context.Context) error {
	n := u.newNews()
	defer n.close()
	var t *turn
	var pieces []piece
	drop := func() {
		if t != nil {
			u.srv.uploads.leave(t)
			t, pieces = nil, nil
		}
	}
	defer drop()
	for {
		if b := n.take(u.takeControl()); len(b) > 0 {
			if err := u.put(ctx, b); err != nil {
				return err
			}
			continue
		}
		if t == nil {
			var done bool
			if pieces, done = u.plan(ctx, n.root); done {
				return u.s.CloseWrite()
			}
			if len(pieces) == 0 {
				u.waits = time.Time{}
			}
			if len(pieces) > 0 {
				t = u.claim(pieces)
				u.srv.uploads.enter(t)
			} else if u.hasControl() {
				continue
			}
		}
		var granted chan struct{}
		if t != nil {
			granted = t.granted
		}
		select {
		case <-granted:
			began := time.Now()
			var err error
			u.waits = time.Time{}
			t.sent, err = u.putPieces(ctx, pieces)
			u.adapt(time.Since(began))
			t.taken = err == nil
			drop()
			if err != nil {
				return err
			}
		case <-u.notify:
			if t != nil && u.anyCanceled(pieces) {
				drop()
			}
		case <-n.changed:
		case <-n.timer.C:
		case <-n.gossip.C:
			if err := n.tell(ctx); err != nil {
				return err
			}
		case <-n.rate:
			if u.srv.servesNobody(n.root) {
				drop()
				u.refuseAll(wire.ReasonClosed)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// claim is a claim to write the pieces. Who has to plan anew, since the peer
// took a Want back, does not lose its place.
func (u *upstream) claim(pieces []piece) *turn {
	if u.waits.IsZero() {
		u.waits = time.Now()
	}
	block := ""
	if first := pieces[0].w; first.size >= firstTurn {
		block = first.Cid.KeyString()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return &turn{
		Candidate: fair.Candidate{Peer: u.peer, Root: u.root, Net: u.net, Since: u.waits, Bytes: total(pieces), Block: block},
		kill:      u.hurry, choke: u.choke, choked: u.choked,
	}
}

// A turn should be over soon: a peer, or our own way out, that takes long over
// one gets less in the next, and so holds fewer buffers and blocks others less.
const (
	firstTurn = 64 << 10
	longTurn  = 250 * time.Millisecond
)

// adapt sets the size of the next turn by how long this one took.
func (u *upstream) adapt(took time.Duration) {
	switch {
	case took > longTurn:
		u.turn = max(u.turn/2, minTurn)
	case took < longTurn/4:
		u.turn = min(2*u.turn, maxTurn)
	}
}

// hurry makes a blocked write fail.
func (u *upstream) hurry() { _ = u.s.SetWriteDeadline(time.Now().Add(-time.Second)) }

func total(pieces []piece) int {
	n := 0
	for _, p := range pieces {
		n += p.n
	}
	return max(n, 1)
}

func (u *upstream) takeControl() []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	b := u.control
	u.control = nil
	if len(b) > 0 {
		signal(u.drain)
	}
	return b
}

func (u *upstream) hasControl() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.control) > 0
}

func (u *upstream) anyCanceled(pieces []piece) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.ContainsFunc(pieces, func(p piece) bool { return p.w.canceled })
}

// put writes b, in the time that a peer has for one turn.
func (u *upstream) put(ctx context.Context, b []byte) error {
	_ = u.s.SetWriteDeadline(time.Now().Add(u.srv.cfg.WriteTimeout))
	if ctx.Err() != nil { // whose end had set a deadline that is now overwritten
		return ctx.Err()
	}
	if _, err := u.s.Write(b); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", errSlow, err)
	}
	return nil
}

// plan chooses the pieces of the next turn from the front of the queue. It
// refuses, as control frames, what cannot be served. done says that the stream
// is finished. A turn ends with the end of a block, unless that is a small one: the beginning
// of the next would be of no use to anyone until its own turn comes.
func (u *upstream) plan(ctx context.Context, root cid.Cid) (pieces []piece, done bool) {
	room := min(u.turn, u.srv.throttle.Rate().turnBytes(), u.srv.roots.rate(root).turnBytes())
	for i := 0; ; {
		w, canceled, ended := u.wantAt(i)
		if w == nil {
			return pieces, ended && len(pieces) == 0 && !u.hasControl()
		}
		if canceled {
			u.refuse(w, wire.ReasonCanceled)
			continue
		}
		if reason, ok := u.open(ctx, w); !ok {
			u.refuse(w, reason)
			continue
		}
		i++
		for off := w.off; ; {
			p := piece{w: w, off: off, n: pieceBytes(w.end-off, room)}
			p.last = off+int64(p.n) == w.end
			if (p.n == 0 && !p.last) || len(pieces) == maxPieces {
				return pieces, false
			}
			pieces = append(pieces, p)
			room -= p.n
			if off += int64(p.n); p.last {
				break
			}
		}
		if w.end == w.size && w.size >= firstTurn {
			return pieces, false
		}
	}
}

// pieceBytes is how much of the left bytes goes into a piece with that much
// room: even parts rather than full ones and a stump.
func pieceBytes(left int64, room int) int {
	if left <= int64(room) {
		return int(left)
	}
	if room < maxTurn {
		return room
	}
	parts := (left + maxTurn - 1) / maxTurn
	return int((left + parts - 1) / parts)
}

// wantAt returns the i-th unanswered Want and whether it was cancelled, or nil
// and whether no more will come.
func (u *upstream) wantAt(i int) (w *upWant, canceled, ended bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if i < len(u.wants) {
		return u.wants[i], u.wants[i].canceled, false
	}
	return nil, false, u.ended
}

// open looks up the block of a Want that comes to be served.
func (u *upstream) open(ctx context.Context, w *upWant) (wire.Reason, bool) {
	if w.opened {
		return 0, true
	}
	size, err := u.srv.src.Size(ctx, w.Cid)
	switch {
	case err != nil:
		return reasonOf(err), false
	case size > wire.MaxBlock || size < 0:
		return wire.ReasonTooLarge, false
	}
	w.off, w.end, w.size = int64(w.Offset), int64(w.Offset+w.Length), int64(size)
	if w.Length == 0 {
		w.end = int64(size)
	}
	if w.end > int64(size) {
		return wire.ReasonRange, false
	}
	w.opened = true
	return 0, true
}

func reasonOf(err error) wire.Reason {
	switch {
	case errors.Is(err, ErrNotHave):
		return wire.ReasonNotHave
	case errors.Is(err, ErrChanged):
		return wire.ReasonChanged
	}
	return wire.ReasonFailed
}

func (u *upstream) refuse(w *upWant, reason wire.Reason) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.control = wire.Refuse{ID: w.ID, Reason: reason}.Append(u.control)
	u.forget(w)
}

func (u *upstream) refuseAll(reason wire.Reason) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, w := range u.wants {
		u.control = wire.Refuse{ID: w.ID, Reason: reason}.Append(u.control)
	}
	u.wants, u.byID, u.idle = nil, make(map[uint64]*upWant), time.Now()
}

// forget is u.mu held.
func (u *upstream) forget(w *upWant) {
	delete(u.byID, w.ID)
	if i := slices.Index(u.wants, w); i >= 0 {
		u.wants = slices.Delete(u.wants, i, i+1)
	}
	if len(u.wants) == 0 {
		u.idle = time.Now()
	}
}

// putPieces reads the pieces of a turn into one buffer and writes it at once. It
// returns how many bytes of blocks that were.
func (u *upstream) putPieces(ctx context.Context, pieces []piece) (data int, err error) {
	buf := u.srv.turnBuffer()
	defer u.srv.putBuffer(buf)
	news := u.unchoke(buf[:0])
	first := wire.Block{ID: pieces[0].w.ID, Len: pieces[0].n}
	start := dataAt - len(first.AppendHead(nil)) - len(news)
	b := buf[start : start+copy(buf[start:], news)]
	var failed *upWant
	for _, p := range pieces {
		if p.w == failed {
			continue
		}
		head := len(b)
		b = wire.Block{ID: p.w.ID, Last: p.last, Len: p.n}.AppendHead(b)
		at := len(b)
		b = b[:at+p.n]
		if _, err := u.srv.src.ReadAt(ctx, p.w.Cid, b[at:], p.off); err != nil && p.n > 0 {
			b, failed = b[:head], p.w
			u.refuse(p.w, reasonOf(err))
			continue
		}
		data += p.n
		p.w.off = p.off + int64(p.n)
		if p.last {
			u.mu.Lock()
			u.forget(p.w)
			u.mu.Unlock()
		}
	}
	if len(b) == 0 {
		return 0, nil
	}
	if err := u.put(ctx, b); err != nil {
		return 0, err
	}
	u.mu.Lock()
	u.sent += int64(data)
	u.mu.Unlock()
	return data, nil
}
