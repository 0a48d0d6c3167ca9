package swarm

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap/bitset"
	"ringswap/transfer/swap/fair"
	"ringswap/transfer/swap/pick"
)

// node is a peer of the swarm: its links, what it has, and the two cores that
// decide for it.
type node struct {
	index    int
	group    *Group
	id       peer.ID
	net      netip.Prefix
	up, down float64 // bytes a second
	delay    int64   // one way to the middle of the network, ns

	picker *pick.Picker // nil if it began complete
	job    int
	have   *bitset.Set
	parts  map[pick.Key][]part
	tick   int64
	stale  bool // a pump is due

	book   *fair.Book
	choker fair.Choker
	poll   bool
	looks  bool         // a look at who waits is due
	served bool         // the choker has served somebody when it was last asked
	spread *pick.Spread // nil if it names all that it has

	from map[peer.ID]*conn // what it fetches by, as its picker knows them
	to   []*conn           // what it serves
	out  []*flow
	in   []*flow

	got    map[peer.ID]int64 // verified bytes, by giver: what it vouches for
	joined int64
	done   int64 // when it had everything; -1 before
	left   bool

	sent, received, wasted int64
	mark                   int64 // received when the last contributor was done
	first                  int64 // time of the first whole chunk
}

type part struct {
	off, n int
	from   peer.ID
}

// conn is a stream by which one node fetches from another.
type conn struct {
	down, up *node
	as       peer.ID // who the fetching node says it is
	key      peer.ID // what its picker calls the other
	open     bool
	epoch    int
	fails    int
	turn     int
	since    int64
	choked   bool // the fetching node was told that it waits
	wants    []*want
	flow     *flow
	view     *pick.View // what was named of what is spread; nil if all is
	named    int64      // when that was last done
	served   int64      // bytes that came
	was      int64      // served when the identity was last looked at
	identity int
}

// want is a request that is not answered to its end.
type want struct {
	id     uint64
	chunk  int
	off    int
	size   int
	left   int
	gone   bool // cancelled
	inTurn bool
}

func (n *node) complete() bool { return n.have.Count() == n.have.Size() }

func (n *node) String() string { return fmt.Sprintf("%s%d", n.group.Name, n.index) }

// lag is how long a message takes.
func lag(a, b *node) int64 { return a.delay + b.delay }

func (w *World) newNode(g *Group) *node {
	i := len(w.nodes)
	chunks := (w.cfg.Size + w.cfg.Chunk - 1) / w.cfg.Chunk
	n := &node{
		index: i, group: g, id: peer.ID(fmt.Sprintf("n%04d", i)),
		net: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24),
		up:  g.Up, down: g.Down, delay: g.Delay.Nanoseconds() / 2,
		have: bitset.New(chunks), parts: make(map[pick.Key][]part), from: make(map[peer.ID]*conn),
		got:    make(map[peer.ID]int64),
		joined: w.now, done: -1, first: -1, mark: -1,
	}
	n.book = fair.NewBook(0)
	n.book.Join(root, int64(w.cfg.Size), false)
	n.choker = w.cfg.Rule.Make(n.book, w.cfg.Chunk, newRand(w.cfg.Seed, streamRule, uint64(i)))
	if g.Strategy.Tyrant {
		n.choker = &tyrant{book: n.book}
	}
	if g.Strategy.Uplink > 0 {
		n.up *= g.Strategy.Uplink
	}
	w.nodes = append(w.nodes, n)
	if g.Complete {
		for c := range chunks {
			n.have.Add(c)
		}
		n.book.Join(root, int64(w.cfg.Size), true)
		n.done = w.now
		if g.Spread {
			n.spread = pick.NewSpread(pick.SpreadConfig{Chunks: chunks, Size: int64(w.cfg.Size), Rand: newRand(w.cfg.Seed, streamSpread, uint64(i))})
		}
		return n
	}
	n.picker = pick.New(pick.Config{Budget: 16 << 20, Stall: 20 * time.Second, Rand: newRand(w.cfg.Seed, streamPick, uint64(i))})
	todo, sizes := bitset.New(chunks), make([]int, chunks)
	for c := range chunks {
		todo.Add(c)
		sizes[c] = w.sizeOf(c)
	}
	n.job = n.picker.AddJob(sizes, todo, pick.Rarest, true)
	return n
}

func (w *World) sizeOf(chunk int) int { return min(w.cfg.Chunk, w.cfg.Size-chunk*w.cfg.Chunk) }
