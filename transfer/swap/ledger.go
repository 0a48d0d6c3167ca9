package swap

import (
	"sync"

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

// MemLedger is a Ledger that forgets with the process. It keeps a bounded
// number of accounts: when full, a new peer takes the place of the one with the
// least traffic.
type MemLedger struct {
	mu       sync.Mutex
	max      int
	accounts map[peer.ID]*account
}

type account struct{ sent, received int64 }

// NewMemLedger makes a ledger of at most maxPeers accounts; 0 means 4096.
func NewMemLedger(maxPeers int) *MemLedger {
	if maxPeers <= 0 {
		maxPeers = 4096
	}
	return &MemLedger{max: maxPeers, accounts: make(map[peer.ID]*account)}
}

// Sent is Ledger's.
func (l *MemLedger) Sent(p peer.ID, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(p).sent += bytes
}

// Received is Ledger's.
func (l *MemLedger) Received(p peer.ID, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(p).received += bytes
}

// Account is Ledger's.
func (l *MemLedger) Account(p peer.ID) (sent, received int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[p]; a != nil {
		return a.sent, a.received
	}
	return 0, 0
}

func (l *MemLedger) of(p peer.ID) *account {
	a := l.accounts[p]
	if a == nil {
		if len(l.accounts) >= l.max {
			l.evict()
		}
		a = &account{}
		l.accounts[p] = a
	}
	return a
}

// evict drops the account with the least traffic: strangers that never gave or
// took much make room, whoever matters stays. Looking at all of them costs less
// than the handshake that made it necessary.
func (l *MemLedger) evict() {
	var worst peer.ID
	least := int64(-1)
	for p, a := range l.accounts {
		if sum := a.sent + a.received; least < 0 || sum < least || (sum == least && p < worst) {
			worst, least = p, sum
		}
	}
	delete(l.accounts, worst)
}
