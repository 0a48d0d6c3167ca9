package fair

import "github.com/libp2p/go-libp2p/core/peer"

// This file is which blocks a first holder sends first: those of which the fewest
// copies have left it. Many peers ask it for the same ones, and what it sends twice
// before it has sent everything once is something that they could have from each other.

// maxCopies bounds the blocks of one swarm whose copies are counted: 16 GiB of chunks
// of 1 MiB, and about 2 MiB of memory until everything was sent twice.
const maxCopies = 1 << 14

// copiesCrowd is how many contributors have to wait for copies to matter. Where there are few, they
// seldom ask for the same block, and a clique that vouches for itself would get the
// first copies of so much that the others wait for its chunks until the end: with 3
// of 10 that vouch falsely the givers were slower by 1.32 instead of 1.12.
const copiesCrowd = 16

// What a copy counts as. One that went to a stranger may never be passed on.
const (
	strangersCopy    = 1
	contributorsCopy = 2
)

// copies counts to whom the blocks of a swarm went.
type copies struct {
	count map[string]int        // by block
	at    map[peer.ID]beginning // of the last turn
}

// beginning is the block with which a peer's last turn began, and what that counts as.
type beginning struct {
	block  string
	weight int
}

// others is what the copies of a block that went to others than p count as.
func (k *copies) others(p peer.ID, block string) int {
	n := k.count[block]
	if b, ok := k.at[p]; ok && b.block == block {
		n -= b.weight
	}
	return n
}

// has reports whether p's last turn began with that block.
func (k *copies) has(p peer.ID, block string) bool {
	return k.at[p].block == block
}

// add notes a turn that begins with a block. Those that go on with it add nothing.
func (k *copies) add(p peer.ID, block string, weight int) {
	if k.has(p, block) {
		return
	}
	if k.count == nil {
		k.count, k.at = make(map[string]int), make(map[peer.ID]beginning)
	}
	if _, ok := k.count[block]; !ok && len(k.count) >= maxCopies {
		return
	}
	if _, ok := k.at[p]; !ok && len(k.at) >= MaxVouchers {
		return
	}
	k.count[block] += weight
	k.at[p] = beginning{block, weight}
}

// copiesOf returns the counts for what c wants; nil if they do not matter: for what
// is small, or not known, or was sent twice, or is to be had elsewhere.
func (p *Credit) copiesOf(c Candidate) *copies {
	s := p.book.Swarm(c.Root)
	switch {
	case s == nil || !s.Origin():
		return nil
	case s.traffic >= 2*s.size:
		s.copies = copies{}
		return nil
	case c.Block == "":
		return nil
	}
	return &s.copies
}
