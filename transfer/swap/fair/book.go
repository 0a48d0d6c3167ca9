package fair

import "github.com/libp2p/go-libp2p/core/peer"

// DefaultAccounts is how many peers a Book remembers if nothing else is said.
const DefaultAccounts = 4096

// Book keeps the account of every peer: bytes of blocks sent to it and bytes
// received from it. It keeps a bounded number of accounts: when full, a new peer
// takes the place of the one with the least traffic. It is used by one goroutine
// at a time.
type Book struct {
	max      int
	accounts map[peer.ID]*account
}

type account struct{ sent, received int64 }

// NewBook makes a book of at most maxPeers accounts; 0 means DefaultAccounts.
func NewBook(maxPeers int) *Book {
	if maxPeers <= 0 {
		maxPeers = DefaultAccounts
	}
	return &Book{max: maxPeers, accounts: make(map[peer.ID]*account)}
}

// Sent adds bytes of blocks that were written to p.
func (b *Book) Sent(p peer.ID, bytes int64) { b.of(p).sent += bytes }

// Received adds bytes of blocks that came from p and matched their CID.
func (b *Book) Received(p peer.ID, bytes int64) { b.of(p).received += bytes }

// Account returns both sums, in bytes.
func (b *Book) Account(p peer.ID) (sent, received int64) {
	if a := b.accounts[p]; a != nil {
		return a.sent, a.received
	}
	return 0, 0
}

// Len is the number of accounts.
func (b *Book) Len() int { return len(b.accounts) }

func (b *Book) of(p peer.ID) *account {
	a := b.accounts[p]
	if a == nil {
		if len(b.accounts) >= b.max {
			b.evict()
		}
		a = &account{}
		b.accounts[p] = a
	}
	return a
}

// evict drops the account with the least traffic: strangers that never gave or
// took much make room, whoever matters stays. Looking at all of them costs less
// than the handshake that made it necessary.
func (b *Book) evict() {
	var worst peer.ID
	least := int64(-1)
	for p, a := range b.accounts {
		if sum := a.sent + a.received; least < 0 || sum < least || (sum == least && p < worst) {
			worst, least = p, sum
		}
	}
	delete(b.accounts, worst)
}
