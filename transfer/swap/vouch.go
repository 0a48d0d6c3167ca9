package swap

import (
	"cmp"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"ringswap/transfer/swap/fair"
	"ringswap/transfer/swap/wire"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// VouchCounts says what became of the vouches that peers brought, by number.
type VouchCounts struct {
	// Taken were genuine and said something new; Known said nothing new, or came
	// from somebody who is not known here.
	Taken, Known int64
	// Ignored were not looked at, since too many came at a time.
	Ignored int64
	// Refused counts the others by why: an error of package fair, or
	// [wire.ErrSignature].
	Refused map[error]int64
}

func newVouchCounts() VouchCounts { return VouchCounts{Refused: make(map[error]int64)} }

// Vouches returns the counts so far.
func (l *Ledger) Vouches() VouchCounts {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.vouch
	c.Refused = maps.Clone(c.Refused)
	return c
}

// maxReceipts bounds the receipts that are kept for a root.
const maxReceipts = 2 * fair.MaxVouches

// vouchReasons are the errors that are counted.
var vouchReasons = []error{
	wire.ErrSignature, fair.ErrVouchStranger, fair.ErrVouchSelf, fair.ErrVouchRoot, fair.ErrVouchBytes,
	fair.ErrVouchStale, fair.ErrVouchFuture, fair.ErrVouchTooMany,
}

// take takes a vouch that from has brought to self on a stream about root: a
// receipt of its own, or what somebody else said of it. key finds the keys of peers, nil if it does not know
// one. The error wraps [fair.ErrVouch] or [wire.ErrSignature], and is counted.
func (l *Ledger) take(now time.Time, root cid.Cid, self, from peer.ID, v wire.Vouch, key func(peer.ID) crypto.PubKey) error {
	var news bool
	err := fair.ErrVouchRoot
	if v.Root == root {
		news, err = l.weigh(now, self, from, v)
	}
	if err == nil && news {
		if err = v.Verify(key(v.By)); err == nil {
			err = l.enter(now, self, from, v)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.vouch.Refused[cause(err)]++
	case news:
		l.vouch.Taken++
	default:
		l.vouch.Known++
	}
	return err
}

// cause is the error that err is counted as.
func cause(err error) error {
	for _, r := range vouchReasons {
		if errors.Is(err, r) {
			return r
		}
	}
	return fair.ErrVouch
}

// ignored counts a vouch that is not looked at.
func (l *Ledger) ignored() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vouch.Ignored++
}

// weigh checks all of a vouch but its signature, and says whether it is worth to
// check that.
func (l *Ledger) weigh(now time.Time, self, from peer.ID, v wire.Vouch) (news bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v.By != from || v.For != self {
		return l.book.Weigh(now, from, fairVouch(v))
	}
	s := l.swarms[v.Root]
	if s == nil {
		return false, fair.ErrVouchRoot
	}
	if err := l.book.Receipt(now, v.Root, signed(v.Bytes), vouchTime(v)); err != nil {
		return false, err
	}
	old, known := s.receipts[v.By]
	if !known && len(s.receipts) >= maxReceipts {
		return false, fair.ErrVouchTooMany
	}
	return v.Bytes > old.Bytes && v.At > old.At, nil
}

// enter takes a genuine vouch.
func (l *Ledger) enter(now time.Time, self, from peer.ID, v wire.Vouch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v.By != from || v.For != self {
		return l.book.Vouch(now, from, fairVouch(v))
	}
	if s := l.swarms[v.Root]; s != nil {
		s.receipts[v.By] = v
	}
	return nil
}

// receipts returns what others have vouched for this node in the swarm of root,
// in the order of their IDs. Stale ones are dropped.
func (l *Ledger) receipts(now time.Time, root cid.Cid) []wire.Vouch {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.swarms[root]
	if s == nil {
		return nil
	}
	maps.DeleteFunc(s.receipts, func(_ peer.ID, v wire.Vouch) bool { return now.Sub(vouchTime(v)) > fair.MaxVouchAge })
	return slices.SortedFunc(maps.Values(s.receipts), func(a, b wire.Vouch) int { return cmp.Compare(a.By, b.By) })
}

// owed is how many bytes of root came from p: what this node can vouch for.
func (l *Ledger) owed(root cid.Cid, p peer.ID) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.book.Swarm(root); s != nil {
		return s.Received(p)
	}
	return 0
}

// fairVouch is a vouch as package fair knows it.
func fairVouch(v wire.Vouch) fair.Vouch {
	return fair.Vouch{Root: v.Root, By: v.By, For: v.For, Bytes: signed(v.Bytes), At: vouchTime(v)}
}

func signed(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

func vouchTime(v wire.Vouch) time.Time { return time.UnixMilli(signed(v.At)) }
