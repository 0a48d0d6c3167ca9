package swarm

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap/bitset"
	"ringswap/transfer/swap/pick"
)

// This file is what a node does as a fetcher: what a session does around its
// picker.

func (w *World) time() time.Time { return epoch.Add(time.Duration(w.now)) }

// connect opens streams by which a fetches from b.
func (w *World) connect(a, b *node) {
	if a.picker == nil || a.left || b.left || a == b || a.done >= 0 {
		return
	}
	if a.group.Strategy.Seeds && b.picker != nil {
		return
	}
	for i := range max(1, a.group.Strategy.Streams) {
		key := b.id
		if i > 0 {
			key = peer.ID(fmt.Sprintf("%s#%d", b.id, i))
		}
		if a.from[key] != nil {
			return
		}
		c := &conn{down: a, up: b, as: a.id, key: key}
		a.from[key] = c
		b.to = append(b.to, c)
		w.open(c)
	}
}

func (w *World) open(c *conn) {
	c.epoch++
	epoch := c.epoch
	w.at(2*lag(c.down, c.up), func() { // the round trip of Hello and State
		if c.down.left || c.up.left || c.down.done >= 0 || c.epoch != epoch {
			return
		}
		c.open, c.turn, c.since, c.choked = true, firstTurn, w.now, false
		k := c.down.picker
		k.AddPeer(w.time(), c.key, time.Duration(2*lag(c.down, c.up)))
		if c.up.spread != nil && w.spreads(c) {
			return
		}
		have := bitset.New(c.up.have.Size())
		if c.up.group.Strategy.Claims {
			for i := range have.Size() {
				have.Add(i)
			}
		} else {
			for i := c.up.have.Next(0); i >= 0; i = c.up.have.Next(i + 1) {
				have.Add(i)
			}
		}
		complete := have.Count() == have.Size()
		if complete {
			have = bitset.New(0)
		}
		k.SetState(c.key, complete, have)
		w.pump(c.down)
	})
}

// drop closes a stream from the fetcher's side; it comes back later.
func (w *World) drop(c *conn) {
	w.shut(c)
	if c.fails++; c.fails >= 8 || c.up.left {
		return
	}
	wait := min(500*time.Millisecond<<(c.fails-1), time.Minute)
	e := c.epoch
	w.at(wait.Nanoseconds(), func() {
		if c.epoch == e {
			w.open(c)
		}
	})
}

func (w *World) shut(c *conn) {
	if c.open && c.up.spread != nil {
		c.up.spread.Leave()
	}
	c.open, c.view = false, nil
	c.epoch++
	c.wants = nil
	if c.flow != nil {
		f := c.flow
		c.flow = nil
		w.cut(f)
		from := c.up
		w.at(0, func() { w.serve(from) })
	}
}

// leave takes a node out of the swarm.
func (w *World) leave(n *node) {
	if n.left {
		return
	}
	n.left = true
	if n.done < 0 {
		w.fetching--
		w.givenUp(n)
	}
	w.present = slices.DeleteFunc(w.present, func(o *node) bool { return o == n })
	for _, c := range n.to {
		w.shut(c)
		if !c.down.left && c.down.picker != nil {
			delete(c.down.from, c.key)
			c.down.picker.RemovePeer(c.key, false)
			d := c.down
			w.at(lag(n, d), func() { w.pump(d) })
		}
	}
	w.stopFetching(n)
	n.to = nil
}

// stopFetching closes every stream by which n fetches.
func (w *World) stopFetching(n *node) {
	for _, k := range sortedKeys(n.from) {
		c := n.from[k]
		w.shut(c)
		c.up.to = slices.DeleteFunc(c.up.to, func(o *conn) bool { return o == c })
	}
	n.from = make(map[peer.ID]*conn)
}

// soon is pump, once for all news that comes within a moment.
func (w *World) soon(n *node) {
	if n.stale {
		return
	}
	n.stale = true
	w.at(newsEvery.Nanoseconds(), func() {
		n.stale = false
		w.pump(n)
	})
}

// newsEvery is how often news of chunks makes a node look for something to ask.
const newsEvery = 20 * time.Millisecond

// behind is the peer that a stream leads to, open or not.
func (w *World) behind(c *conn, key peer.ID) peer.ID {
	if c != nil {
		return c.up.id
	}
	id, _, _ := strings.Cut(string(key), "#")
	return peer.ID(id)
}

// pump performs what the picker of n wants done.
func (w *World) pump(n *node) {
	if n.left || n.picker == nil || n.done >= 0 {
		return
	}
	acts, _ := n.picker.Next(w.time(), math.MaxInt)
	for _, a := range acts {
		w.perform(n, a)
	}
	if d := n.picker.Deadline(w.time()); !d.IsZero() {
		at := d.Sub(epoch).Nanoseconds()
		if n.tick <= w.now || at < n.tick {
			n.tick = max(at, w.now+1)
			tick := n.tick
			w.at(tick-w.now, func() {
				if n.tick == tick {
					w.pump(n)
				}
			})
		}
	}
}

func (w *World) perform(n *node, a pick.Action) {
	c := n.from[a.Peer]
	switch a.Kind {
	case pick.Request:
		r := &want{id: a.Req, chunk: a.Key.Index, off: a.Off, left: a.N, size: a.N}
		e := c.epoch
		w.at(lag(n, c.up), func() {
			if c.epoch == e {
				c.wants = append(c.wants, r)
				if len(c.wants) == 1 {
					c.since = w.now
				}
				w.serve(c.up)
			}
		})
	case pick.Cancel:
		if c == nil {
			return
		}
		e := c.epoch
		w.at(lag(n, c.up), func() {
			if c.epoch == e {
				w.cancel(c, a.Req)
			}
		})
	case pick.Keep:
		n.parts[a.Key] = append(n.parts[a.Key], part{off: a.Off, n: a.N, from: w.behind(c, a.Peer)})
	case pick.Discard:
		n.parts[a.Key] = slices.DeleteFunc(n.parts[a.Key], func(p part) bool { return a.Off < 0 || p.off == a.Off })
	case pick.Drop:
		if c != nil {
			w.drops++
			w.drop(c)
		}
	case pick.Ban:
		panic("swarm: nobody sends wrong bytes")
	}
}

// piece is a run of a want's answer.
type piece struct {
	w    *want
	n    int
	last bool
}

// arrive takes the pieces of a turn in.
func (w *World) arrive(c *conn, pieces []piece) {
	n := c.down
	now := w.time()
	c.fails = 0
	for _, p := range pieces {
		n.received += int64(p.n)
		c.served += int64(p.n)
		n.book.Received(root, c.up.id, int64(p.n))
		if wanted, _ := n.picker.Received(now, c.key, p.w.id, p.n); !wanted {
			n.wasted += int64(p.n)
		}
		if !p.last {
			continue
		}
		key, full := n.picker.Finished(now, c.key, p.w.id)
		if key != (pick.Key{}) {
			n.parts[key] = append(n.parts[key], part{off: p.w.off, n: p.w.size, from: c.up.id})
		}
		if full {
			w.verify(n, key)
		}
		if n.done >= 0 {
			return
		}
	}
	w.pump(n)
}

// verify takes a whole chunk in: tells the others, and credits the givers.
func (w *World) verify(n *node, key pick.Key) {
	sum := 0
	for _, p := range n.parts[key] {
		sum += p.n
	}
	if sum != w.sizeOf(key.Index) {
		panic(fmt.Sprintf("swarm: a chunk of %d bytes", sum))
	}
	for _, p := range n.parts[key] {
		n.got[p.from] += int64(p.n)
	}
	delete(n.parts, key)
	n.picker.Settled(key)
	n.have.Add(key.Index)
	if n.first < 0 {
		n.first = w.now
	}
	for _, c := range n.to {
		if !c.open {
			continue
		}
		e := c.epoch
		w.at(lag(n, c.down), func() {
			if c.epoch == e && c.down.done < 0 {
				c.down.picker.AddHave(c.key, key.Index, 1)
				w.soon(c.down)
			}
		})
	}
	if n.complete() {
		w.finish(n)
	}
}

// finish is a node that has everything.
func (w *World) finish(n *node) {
	n.done = w.now
	n.book.Join(root, int64(w.cfg.Size), true)
	w.stopFetching(n)
	w.finished(n)
	if s := n.group.Stay; s >= 0 {
		w.at(s.Nanoseconds(), func() { w.leave(n) })
	}
}
