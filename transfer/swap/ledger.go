package swap

import (
	"sync"

	"ringswap/transfer/swap/fair"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Ledger keeps the account of every peer: bytes of blocks sent to it and bytes
// received from it. Server and sessions of a node share one. It is safe for
// concurrent use and is told of every piece, so it must be quick.
type Ledger interface {
	// Sent adds bytes of blocks that were written to p.
	Sent(p peer.ID, bytes int64)
	// Received adds bytes of blocks that came from p and matched their CID.
	Received(p peer.ID, bytes int64)
	// Account returns both sums.
	Account(p peer.ID) (sent, received int64)
}

// MemLedger is a Ledger that forgets with the process: a [fair.Book] behind a
// lock.
type MemLedger struct {
	mu   sync.Mutex
	book *fair.Book
}

// NewMemLedger makes a ledger of at most maxPeers accounts; 0 means
// [fair.DefaultAccounts].
func NewMemLedger(maxPeers int) *MemLedger { return &MemLedger{book: fair.NewBook(maxPeers)} }

// Sent is Ledger's.
func (l *MemLedger) Sent(p peer.ID, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.book.Sent(cid.Undef, p, bytes)
}

// Received is Ledger's.
func (l *MemLedger) Received(p peer.ID, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.book.Received(cid.Undef, p, bytes)
}

// Account is Ledger's.
func (l *MemLedger) Account(p peer.ID) (sent, received int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.book.Account(p)
	return a.Sent, a.Received
}
