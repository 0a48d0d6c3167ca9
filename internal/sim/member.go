package sim

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay"
)

// Add puts a new node into the world. It knows nobody until it is told to Join.
func (w *World) Add(server bool) *Node { return w.add(server, 0, nil) }

// add makes the node with the given nonce in its peer ID.
func (w *World) add(server bool, nonce uint64, evil *Evil) *Node {
	number := uint32(len(w.nodes))
	c := w.contact(w.peer(number, nonce), number)
	n := &Node{Contact: &c, Number: number, Server: server, Evil: evil, shard: w.shard(number)}
	w.nodes = append(w.nodes, n)
	n.machine = w.corrupted(n, w.newMachine(n))
	w.came(n)
	return n
}

// newcomers is the number of peer IDs that are made at a time for those to come.
const newcomers = 1 << 12

// peer makes the peer ID of a node to come.
func (w *World) peer(number uint32, nonce uint64) peer.ID {
	if nonce != 0 {
		return peerWith(w.salt, number, nonce)
	}
	if last := len(w.blocks) - 1; last < 0 || !w.blocks[last].has(number) {
		w.blocks = append(w.blocks, makeBlock(w.salt, number, newcomers))
	}
	return w.blocks[len(w.blocks)-1].peer(number)
}

// came tells a new machine its role, as a Driver does.
func (w *World) came(n *Node) {
	w.ownLive()
	w.live.insert(n.Contact)
	w.note(n, noteCame)
	w.step(n, overlay.SelfChanged{Addrs: n.Contact.Addrs, Server: n.Server})
}

// ownLive makes the directory of living nodes one of its own, before it changes.
func (w *World) ownLive() {
	if w.live == w.all {
		w.live = w.all.clone()
	}
}

// Join gives the node others as ways into the overlay.
func (w *World) Join(n *Node, via ...*Node) {
	if n.state != running {
		return
	}
	seeds := make([]overlay.Contact, len(via))
	for i, v := range via {
		seeds[i] = *v.Contact
	}
	w.step(n, overlay.Join{Seeds: seeds})
}

// Kill stops a node without a word.
func (w *World) Kill(n *Node) {
	if n.state != running {
		return
	}
	w.ownLive()
	w.live.remove(n.Contact.ID)
	w.stop(n)
	w.check(n)
}

// stop ends a node's life.
func (w *World) stop(n *Node) {
	n.state = stopped
	n.machine, n.busy, n.tick, n.member = nil, 0, 0, false
	n.life++
	n.ticks++
	w.note(n, noteStopped)
	w.abandon(n)
}

// note takes an occurrence outside of any step into the digest.
func (w *World) note(n *Node, what uint64) {
	n.shard.now = w.now
	n.shard.note(n, what)
}

// Leave has a node say good-bye and stops it. What it says is on its way by then;
// linger is how long it still answers, for those whom it tells something.
func (w *World) Leave(n *Node, linger time.Duration) {
	if n.state != running {
		return
	}
	w.step(n, overlay.Leave{})
	if linger <= 0 {
		w.Kill(n)
		return
	}
	life := n.life
	w.Do(linger, func() {
		if n.life == life {
			w.Kill(n)
		}
	})
}

// Restart lets a stopped node run again, with a new machine that knows nobody.
func (w *World) Restart(n *Node) {
	if n.state == running {
		return
	}
	n.state = running
	n.machine = w.corrupted(n, w.newMachine(n))
	w.came(n)
}

// KillShare stops a random share of all running nodes at once, and returns how
// many.
func (w *World) KillShare(p float64) int {
	rng := newRand(w.settings.Seed, streamScenario, uint64(w.now))
	killed := 0
	var left []*overlay.Contact
	for _, c := range w.live.list {
		n := w.nodeOf(c)
		if rng.Float64() >= p {
			left = append(left, c)
			continue
		}
		killed++
		w.stop(n)
	}
	w.live = newDirectory(left)
	return killed
}

// Cut divides the network: nodes for which side differs do not hear each other.
// Messages on their way across are lost.
func (w *World) Cut(side func(n *Node) uint8) {
	for _, n := range w.nodes {
		n.side = side(n)
	}
	w.cut = true
	w.digest = mix(w.digest, uint64(w.now))
}

// Heal ends a cut.
func (w *World) Heal() { w.Cut(func(*Node) uint8 { return 0 }) }

// Random is a random running server, or nil if there is none. except, which may
// be nil, is not chosen.
func (w *World) Random(except *Node) *Node {
	if w.live.Len() == 0 {
		return nil
	}
	for range 64 {
		n := w.nodeOf(w.live.list[w.rng.IntN(w.live.Len())])
		if n != except && n.Server && n.state == running {
			return n
		}
	}
	return nil
}
