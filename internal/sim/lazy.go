package sim

import (
	"fmt"
	"time"

	"ringswap/overlay"
)

// pool holds the machines of a populated world that are awake: at most limit of
// them beside those that are busy. Which one has to go is decided as a clock
// does, second chance included.
type pool struct {
	limit int
	ring  []uint32 // node numbers
	hand  int
}

// Populate puts n servers into an empty world at once, each with the tables that
// it would have after a long time. With stay, every machine is made now and runs
// on its own; without, a machine is made when its node is first asked and may be
// put away and made again, so a million fit. That is only right for machines
// whose upkeep is turned off: one that was put away forgets what it learned, and
// its deadlines do not wake it.
func (w *World) Populate(n int, stay bool) error {
	if err := count("Nodes", n, MaxNodes); err != nil {
		return err
	}
	if len(w.nodes) > 0 {
		return fmt.Errorf("sim: the world is populated already")
	}
	peers := makeBlock(w.salt, 0, n)
	contacts := make([]overlay.Contact, n) // in the order of IDs: who is near on the ring is near in memory
	list := make([]*overlay.Contact, n)
	order := byPlace(peers)
	parallel(n, func(from, to int) {
		for i := from; i < to; i++ {
			number := order[i].number
			contacts[i] = w.contact(peers.peer(number), number)
			list[i] = &contacts[i]
		}
	})
	w.blocks = append(w.blocks, peers)
	w.inhabit(newDirectory(list))
	if stay {
		w.awake.limit = 0
		parallel(n, func(from, to int) {
			for _, node := range w.nodes[from:to] {
				w.wake(node)
			}
		})
		for _, c := range w.all.list {
			node := w.nodeOf(c)
			w.step(node, overlay.SelfChanged{Addrs: c.Addrs, Server: true})
		}
	}
	return w.err
}

// inhabit makes the nodes of a directory, none of which has a machine yet. The
// directory stays as it is, so that several worlds may share it.
func (w *World) inhabit(all *Directory) {
	slab := make([]Node, all.Len())
	w.nodes = make([]*Node, all.Len(), all.Len()+all.Len()/8)
	parallel(all.Len(), func(from, to int) {
		for _, c := range all.list[from:to] {
			i, _ := numberOf(c.Peer, w.salt) // the nodes are not there yet
			slab[i] = Node{Contact: c, Number: i, Server: true, shard: w.shard(i)}
			w.nodes[i] = &slab[i]
		}
	})
	w.all, w.live = all, all
	w.awake.limit = w.settings.Machines
}

// wake makes the machine of a node that has none.
func (w *World) wake(n *Node) {
	if n.machine != nil {
		return
	}
	m := w.newMachine(n)
	if i := w.all.Find(n.Contact.ID); i >= 0 && n.life == 0 {
		p := Preload{
			Now: timeAt(w.now), Directory: w.all, I: i,
			Rand: newRand(w.settings.Seed, streamTable, uint64(n.Number)),
		}
		if _, placed := w.settings.Latency.(seeded); placed {
			p.RTT = w.rtt
		}
		w.settings.Overlay.Preload(m, p)
	}
	n.machine = w.corrupted(n, m)
	if w.awake.limit > 0 {
		w.keep(n)
	}
}

// newMachine makes a machine that knows nobody. Every life of a node has its own
// randomness.
func (w *World) newMachine(n *Node) overlay.Machine {
	m, err := w.settings.Overlay.New(*n.Contact, n.Server, w.settings.CountBytes,
		newRand(w.settings.Seed, streamMachine, uint64(n.Number), uint64(n.life)))
	if err != nil {
		// Settings.Validate has made one with this configuration.
		panic(fmt.Sprintf("sim: the machine of %s cannot be made: %v", n, err))
	}
	return m
}

// keep enters an awake node into the pool and puts another one's machine away if
// there are too many.
func (w *World) keep(n *Node) {
	p := &w.awake
	if len(p.ring) < p.limit {
		p.ring = append(p.ring, n.Number)
		return
	}
	for range 2 * len(p.ring) {
		old := w.nodes[p.ring[p.hand]]
		switch {
		case old.busy > 0:
		case old.used:
			old.used = false
		default:
			old.machine, old.tick = nil, 0
			old.ticks++
			p.ring[p.hand] = n.Number
			p.hand = (p.hand + 1) % len(p.ring)
			return
		}
		p.hand = (p.hand + 1) % len(p.ring)
	}
	p.ring = append(p.ring, n.Number) // all are busy
}

// Forget puts away the machines of a world that was populated without stay,
// except of nodes that are busy: the next who asks meets them as they were at
// first.
func (w *World) Forget() {
	p := &w.awake
	if p.limit == 0 {
		return
	}
	busy := p.ring[:0]
	for _, i := range p.ring {
		n := w.nodes[i]
		if n.busy > 0 {
			busy = append(busy, i)
			continue
		}
		n.machine, n.tick, n.used = nil, 0, false
		n.ticks++
	}
	p.ring, p.hand = busy, 0
}

// rtt is the mean round trip between two nodes.
func (w *World) rtt(a, b *overlay.Contact) time.Duration {
	x, _ := w.numberOf(a.Peer)
	y, _ := w.numberOf(b.Peer)
	return w.settings.Latency.Mean(x, y) + w.settings.Latency.Mean(y, x)
}
