package swarm

import (
	"slices"
	"time"

	"ringswap/transfer/swap/fair"
	"ringswap/transfer/swap/wire"
)

// This file is what a node does as a holder: what a server does around its
// choker.

const (
	minTurn   = 16 << 10
	firstTurn = 64 << 10
	maxTurn   = 256 << 10
)

// turnBytes is the largest turn: a quarter of a second's worth.
func (n *node) turnBytes() int { return int(min(max(n.up/4, minTurn), maxTurn)) }

func (w *World) cancel(c *conn, id uint64) {
	i := slices.IndexFunc(c.wants, func(r *want) bool { return r.id == id })
	if i < 0 {
		return
	}
	if c.wants[i].inTurn {
		c.wants[i].gone = true
		return
	}
	c.wants = slices.Delete(c.wants, i, i+1)
	w.refuse(c, id)
}

func (w *World) refuse(c *conn, id uint64) {
	e := c.epoch
	w.at(lag(c.up, c.down), func() {
		if c.epoch == e && c.down.done < 0 {
			c.down.picker.Refused(w.time(), c.key, id, wire.ReasonCanceled)
			w.soon(c.down)
		}
	})
}

// How long a node waits until it is told so, as a server does.
const (
	chokeRefused = int64(100 * time.Millisecond)
	chokeWaiting = int64(time.Second)
)

// tell lets those know that they wait who have done so for long, and comes again
// for as long as somebody waits who was not told.
func (w *World) tell(n *node) {
	if n.looks || n.left || n.group.Strategy.Mute {
		return
	}
	n.looks = true
	w.at(chokeRefused, func() {
		n.looks = false
		more := false
		for _, c := range n.to {
			if !c.open || c.flow != nil || len(c.wants) == 0 || c.choked {
				continue
			}
			j, ok := n.choker.(fair.Judge)
			credit := ok && !j.Contributes(fair.Candidate{Peer: c.as, Root: root})
			if waits := w.now - c.since; waits >= chokeWaiting || credit && !n.served && waits >= chokeRefused {
				w.choke(c)
			} else {
				more = true
			}
		}
		if more {
			w.tell(n)
		}
	})
}

func (w *World) choke(c *conn) {
	c.choked = true
	e := c.epoch
	w.at(lag(c.up, c.down), func() {
		if c.epoch == e && c.down.done < 0 {
			c.down.picker.Choked(c.key)
			w.soon(c.down)
		}
	})
}

// serve hands out turns for as long as the uplink has room.
func (w *World) serve(n *node) {
	defer w.tell(n)
	for !n.left && !n.group.Strategy.Mute && len(n.out) < maxFlows && n.spare() > n.up/8 {
		conns := w.conns[:0]
		cands := w.cands[:0]
		for _, c := range n.to {
			if !c.open || c.flow != nil || len(c.wants) == 0 {
				continue
			}
			bytes, room := 0, min(c.turn, n.turnBytes())
			for _, r := range c.wants {
				bytes += min(r.left, room-bytes)
				if bytes == room || w.ends(r) {
					break
				}
			}
			conns = append(conns, c)
			cands = append(cands, fair.Candidate{
				Peer: c.as, Root: root, Net: c.down.net, Since: epoch.Add(time.Duration(c.since)), Bytes: bytes,
				Block: w.blocks[c.wants[0].chunk],
			})
		}
		w.conns, w.cands = conns, cands
		if len(cands) == 0 {
			return
		}
		i, retry := n.choker.Next(w.time(), cands)
		n.served = i >= 0
		if i < 0 {
			if retry > 0 && !n.poll {
				n.poll = true
				w.at(retry.Nanoseconds(), func() {
					n.poll = false
					w.serve(n)
				})
			}
			return
		}
		w.grant(conns[i], cands[i].Bytes)
	}
}

// ends reports whether a turn ends with r: with the end of a chunk that is no small
// one.
func (w *World) ends(r *want) bool {
	size := w.sizeOf(r.chunk)
	return size >= firstTurn && r.off+r.size == size
}

// grant sends the next bytes of c's wants.
func (w *World) grant(c *conn, bytes int) {
	n := c.up
	var pieces []piece
	left := bytes
	for _, r := range c.wants {
		k := min(r.left, left)
		if k == 0 {
			break
		}
		if !n.have.Has(r.chunk) {
			panic("swarm: a node sends what it does not have")
		}
		r.left -= k
		r.inTurn = true
		left -= k
		pieces = append(pieces, piece{w: r, n: k, last: r.left == 0})
	}
	c.turn, c.choked = min(2*c.turn, maxTurn), false
	n.book.Sent(root, c.as, int64(bytes))
	e := c.epoch
	c.flow = w.send(n, c.down, bytes, func() {
		c.flow = nil
		n.sent += int64(bytes)
		for _, p := range pieces {
			p.w.inTurn = false
		}
		c.wants = slices.DeleteFunc(c.wants, func(r *want) bool {
			if r.gone && r.left > 0 {
				w.refuse(c, r.id)
				return true
			}
			return r.left == 0
		})
		c.since = w.now
		w.spread(c, bytes)
		w.at(lag(n, c.down), func() {
			if c.epoch == e && c.down.done < 0 {
				w.arrive(c, pieces)
			}
		})
	})
}
