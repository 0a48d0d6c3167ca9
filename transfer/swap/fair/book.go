package fair

import (
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Bounds of a Book if nothing else is said.
const (
	DefaultAccounts = 4096
	// MaxSwarms bounds the roots whose vouches a book keeps, MaxVouchers the
	// members of one root that are remembered, MaxVouches what one of them may say
	// and what may be said of it. Beyond MaxVouches new vouches are refused, and the
	// peer that brings them bears it.
	MaxSwarms   = 64
	MaxVouchers = 1024
	MaxVouches  = 128
)

// Book keeps the account of every peer: bytes of blocks sent to it and bytes
// received from it, over all swarms; and for each swarm, what other peers vouch
// for. It keeps a bounded number of accounts:
// when full, a new peer takes the place of the one with the least traffic. It is
// used by one goroutine at a time.
type Book struct {
	max      int
	accounts map[peer.ID]*Account
	swarms   map[cid.Cid]*Swarm
}

// Account is what passed between this node and one peer, in bytes of blocks.
// Received may fall below zero by [Book.Revoke].
type Account struct{ Sent, Received int64 }

// Deficit is how much more was sent to the peer than came from it.
func (a Account) Deficit() int64 { return a.Sent - a.Received }

// NewBook makes a book of at most maxPeers accounts; 0 means DefaultAccounts.
func NewBook(maxPeers int) *Book {
	if maxPeers <= 0 {
		maxPeers = DefaultAccounts
	}
	return &Book{max: maxPeers, accounts: make(map[peer.ID]*Account), swarms: make(map[cid.Cid]*Swarm)}
}

// Sent adds bytes that are being written to p for root.
func (b *Book) Sent(root cid.Cid, p peer.ID, bytes int64) {
	b.of(p).Sent += bytes
	if s := b.swarms[root]; s != nil {
		s.sent(p, bytes)
	}
}

// Received adds bytes that came from p for root. They count at once, before the
// block that they belong to is whole: in a block that comes from many, one slow
// giver would keep all others from their credit.
func (b *Book) Received(root cid.Cid, p peer.ID, bytes int64) {
	b.of(p).Received += bytes
	if s := b.swarms[root]; s != nil {
		s.received(p, bytes)
	}
}

// Revoke takes back twice what Received counted of bytes that turned out wrong.
func (b *Book) Revoke(root cid.Cid, p peer.ID, bytes int64) { b.Received(root, p, -2*bytes) }

// Account returns the account of p, zero if there is none.
func (b *Book) Account(p peer.ID) Account {
	if a := b.accounts[p]; a != nil {
		return *a
	}
	return Account{}
}

// Restore sets the account of p to what an earlier run of this node had.
func (b *Book) Restore(p peer.ID, a Account) { *b.of(p) = a }

// Each calls f with every account, in no order, until f returns false.
func (b *Book) Each(f func(peer.ID, Account) bool) {
	for p, a := range b.accounts {
		if !f(p, *a) {
			return
		}
	}
}

// Age keeps the share keep, from 0 to 1, of every account: what was given long
// ago buys less and less, and a debt is forgiven as slowly.
func (b *Book) Age(keep float64) {
	for p, a := range b.accounts {
		a.Sent, a.Received = int64(keep*float64(a.Sent)), int64(keep*float64(a.Received))
		if a.Sent == 0 && a.Received == 0 {
			delete(b.accounts, p)
		}
	}
}

// Len is the number of accounts.
func (b *Book) Len() int { return len(b.accounts) }

// Join returns the swarm of a root of size bytes, making it; nil if there are too
// many. A size of 0 is not known, and leaves one that is. Vouches count in the
// swarms that were joined. complete says that this node wants nothing of it.
func (b *Book) Join(root cid.Cid, size int64, complete bool) *Swarm {
	s := b.swarms[root]
	if s == nil {
		if len(b.swarms) >= MaxSwarms {
			return nil
		}
		s = &Swarm{members: make(map[peer.ID]*member)}
		b.swarms[root] = s
	}
	if size > 0 {
		s.size = size
	}
	s.complete = complete
	return s
}

// Swarm returns the swarm of root, or nil if it was not joined.
func (b *Book) Swarm(root cid.Cid) *Swarm { return b.swarms[root] }

// Forget ends the swarm of root.
func (b *Book) Forget(root cid.Cid) { delete(b.swarms, root) }

// Credit is what p has earned here, in bytes: what came from it, and what others
// vouch for in the swarm of root.
func (b *Book) Credit(root cid.Cid, p peer.ID) int64 {
	var c int64
	if a := b.accounts[p]; a != nil {
		c = a.Received
	}
	if s := b.swarms[root]; s != nil {
		c += s.Vouched(p)
	}
	return c
}

func (b *Book) of(p peer.ID) *Account {
	a := b.accounts[p]
	if a == nil {
		if len(b.accounts) >= b.max {
			b.evict()
		}
		a = &Account{}
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
		if sum := a.Sent + max(a.Received, -a.Received); least < 0 || sum < least || (sum == least && p < worst) {
			worst, least = p, sum
		}
	}
	delete(b.accounts, worst)
}
