package swap

import (
	"iter"
	"sync"
	"time"

	"ringswap/transfer/dag"
	"ringswap/transfer/swap/fair"
	"ringswap/transfer/swap/wire"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Ledger keeps the accounts of a node: what passed between it and every peer, and
// what peers vouch for in each swarm. It is a [fair.Book] behind a lock, with what
// a Book leaves to its owner: which swarms there are, and whose word is genuine.
// Server and sessions of a node share one; it is safe for concurrent use.
type Ledger struct {
	mu     sync.Mutex
	book   *fair.Book
	swarms map[cid.Cid]*ledgerSwarm
	totals Totals
	vouch  VouchCounts
}

// Totals are bytes of blocks, over all peers, since the ledger was made.
type Totals struct{ Sent, Received int64 }

// ledgerSwarm is a root that this node serves or fetches.
type ledgerSwarm struct {
	size     int64 // of its files in bytes, 0 if not known
	complete bool  // every byte is here
	sessions int   // that fetch it
	moved    Totals
	receipts map[peer.ID]wire.Vouch
	banned   map[peer.ID]string // who sends no more of it to this node, and why
}

// maxBanned bounds the peers of one swarm whose ban is remembered.
const maxBanned = 256

// NewLedger makes a ledger of at most maxPeers accounts; 0 means
// [fair.DefaultAccounts]. When it is full, the peer with the least traffic is
// forgotten.
func NewLedger(maxPeers int) *Ledger {
	return &Ledger{book: fair.NewBook(maxPeers), swarms: make(map[cid.Cid]*ledgerSwarm), vouch: newVouchCounts()}
}

// Account is what passed between this node and p, over all swarms.
func (l *Ledger) Account(p peer.ID) fair.Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.book.Account(p)
}

// Standing is how a peer stands with this node in a swarm.
type Standing struct {
	fair.Account
	// Vouched is what other members' word adds to Received, in bytes.
	Vouched int64
}

// Credit is what the peer has earned, in bytes.
func (s Standing) Credit() int64 { return s.Received + s.Vouched }

// Deficit is how much more was sent to the peer than it has earned.
func (s Standing) Deficit() int64 { return s.Sent - s.Credit() }

// Standing returns how p stands in the swarm of root.
func (l *Ledger) Standing(root cid.Cid, p peer.ID) Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.standing(root, p)
}

func (l *Ledger) standing(root cid.Cid, p peer.ID) Standing {
	st := Standing{Account: l.book.Account(p)}
	if s := l.book.Swarm(root); s != nil {
		st.Vouched = s.Vouched(p)
	}
	return st
}

// Totals returns the sums.
func (l *Ledger) Totals() Totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.totals
}

// Swarms returns the sums of each swarm that is remembered. One that was long quiet
// may have been forgotten meanwhile and begin again at zero.
func (l *Ledger) Swarms() map[cid.Cid]Totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[cid.Cid]Totals, len(l.swarms))
	for root, s := range l.swarms {
		out[root] = s.moved
	}
	return out
}

// Restore sets the account of p to what an earlier run of this node had.
func (l *Ledger) Restore(p peer.ID, a fair.Account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.book.Restore(p, a)
}

// Age keeps the share keep, from 0 to 1, of every account: see [fair.Book.Age].
func (l *Ledger) Age(keep float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.book.Age(keep)
}

// Accounts lists every account, in no order, as of the first step.
func (l *Ledger) Accounts() iter.Seq2[peer.ID, fair.Account] {
	return func(yield func(peer.ID, fair.Account) bool) {
		type entry struct {
			p peer.ID
			a fair.Account
		}
		l.mu.Lock()
		list := make([]entry, 0, l.book.Len())
		l.book.Each(func(p peer.ID, a fair.Account) bool {
			list = append(list, entry{p, a})
			return true
		})
		l.mu.Unlock()
		for _, e := range list {
			if !yield(e.p, e.a) {
				return
			}
		}
	}
}

// received notes bytes of blocks that came from p.
func (l *Ledger) received(root cid.Cid, p peer.ID, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.totals.Received += bytes
	if s := l.swarms[root]; s != nil {
		s.moved.Received += bytes
	}
	l.book.Received(root, p, bytes)
}

// revoke takes back bytes from p that turned out wrong, and as many again.
func (l *Ledger) revoke(root cid.Cid, p peer.ID, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.book.Revoke(root, p, bytes)
}

// choose lets c decide who is served next, and enters what that peer is to get.
func (l *Ledger) choose(c fair.Choker, now time.Time, waiting []fair.Candidate) (i int, retry time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, retry = c.Next(now, waiting)
	if i >= 0 && i < len(waiting) {
		l.book.Sent(waiting[i].Root, waiting[i].Peer, int64(waiting[i].Bytes))
	}
	return i, retry
}

// settle corrects what choose entered for a turn: sent of its bytes were sent.
func (l *Ledger) settle(c fair.Candidate, sent int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.totals.Sent += int64(sent)
	if s := l.swarms[c.Root]; s != nil {
		s.moved.Sent += int64(sent)
	}
	if more := sent - c.Bytes; more != 0 {
		l.book.Sent(c.Root, c.Peer, int64(more))
	}
}

// waits says why c waits.
func (l *Ledger) waits(k fair.Choker, c fair.Candidate) wire.Choke {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.standing(c.Root, c.Peer)
	m := wire.Choke{Credit: uint64(max(st.Credit(), 0)), Sent: uint64(max(st.Sent, 0))}
	if j, ok := k.(fair.Judge); ok && !j.Contributes(c) {
		m.Reason = wire.ChokeCredit
	}
	return m
}

// ban remembers that no session of root uses p any more, and why.
func (l *Ledger) ban(root cid.Cid, p peer.ID, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.swarms[root]; s != nil && len(s.banned) < maxBanned {
		s.banned[p] = reason
	}
}

// banned is why no session of root uses p; empty if they may.
func (l *Ledger) banned(root cid.Cid, p peer.ID) (reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.swarms[root]; s != nil {
		reason = s.banned[p]
	}
	return reason
}

// begin says that a session fetches root; end that it does so no more.
func (l *Ledger) begin(root cid.Cid) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.swarm(root); s != nil {
		s.sessions++
		l.join(root, s)
	}
}

func (l *Ledger) end(root cid.Cid) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.swarms[root]; s != nil && s.sessions > 0 {
		s.sessions--
		l.join(root, s)
	}
}

// holds says what is here of root: size is that of its files, 0 if not known.
func (l *Ledger) holds(root cid.Cid, size int64, complete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.swarm(root); s != nil {
		s.size, s.complete = max(s.size, size), complete
		l.join(root, s)
	}
}

// sized says which chunks the DAG of root has.
func (l *Ledger) sized(root cid.Cid, chunks []dag.Chunk) {
	var sum int64
	for _, c := range chunks {
		sum += int64(max(c.Size, 0))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.swarm(root); s != nil {
		s.size = max(s.size, sum)
		l.join(root, s)
	}
}

// join tells the book of a swarm. Who fetches nothing of it is a seed, even if it
// has only a part: nothing that others could give would be of use to it.
func (l *Ledger) join(root cid.Cid, s *ledgerSwarm) {
	l.book.Join(root, s.size, s.complete || s.sessions == 0)
}

// swarm returns the swarm of root, making it, if need be in the place of the one
// with the least traffic; nil if all are being fetched.
func (l *Ledger) swarm(root cid.Cid) *ledgerSwarm {
	s := l.swarms[root]
	if s != nil {
		return s
	}
	if len(l.swarms) >= fair.MaxSwarms && !l.forgetSwarm() {
		return nil
	}
	s = &ledgerSwarm{receipts: make(map[peer.ID]wire.Vouch), banned: make(map[peer.ID]string)}
	l.swarms[root] = s
	return s
}

func (l *Ledger) forgetSwarm() bool {
	var quiet cid.Cid
	least := int64(-1)
	for root, s := range l.swarms {
		if s.sessions > 0 {
			continue
		}
		if n := l.book.Swarm(root).Traffic(); least < 0 || n < least {
			quiet, least = root, n
		}
	}
	if least < 0 {
		return false
	}
	delete(l.swarms, quiet)
	l.book.Forget(quiet)
	return true
}
