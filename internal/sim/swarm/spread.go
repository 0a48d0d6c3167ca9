package swarm

import (
	"time"

	"ringswap/transfer/swap/bitset"
)

// This file is what the only holder of everything names to whom: what a server
// does around its pick.Spread.

// spreadIdle is how long a peer may ask for nothing before it is told of more.
const spreadIdle = 250 * time.Millisecond

// spreads lets c's peer in, and reports whether it is told of a few chunks only.
func (w *World) spreads(c *conn) bool {
	if c.view = c.up.spread.Join(); c.view == nil {
		return false
	}
	c.down.picker.SetState(c.key, false, bitset.New(c.up.have.Size()))
	c.named = w.now
	w.name(c)
	w.idle(c)
	return true
}

// name tells c's peer of what it is to know now.
func (w *World) name(c *conn) {
	dry, idle := len(c.wants) == 0, w.now-c.named >= spreadIdle.Nanoseconds()
	chunks, e := c.view.Next(dry, idle), c.epoch
	if len(chunks) == 0 {
		return
	}
	c.named = w.now
	w.at(lag(c.up, c.down), func() {
		if c.epoch != e || c.down.done >= 0 {
			return
		}
		for _, i := range chunks {
			c.down.picker.AddHave(c.key, i, 1)
		}
		w.soon(c.down)
	})
}

// idle looks again and again whether c's peer asks for nothing.
func (w *World) idle(c *conn) {
	e := c.epoch
	w.at(spreadIdle.Nanoseconds(), func() {
		if c.epoch != e || c.view == nil || c.down.done >= 0 {
			return
		}
		w.name(c)
		w.idle(c)
	})
}

// spread counts what was sent on c, and tells everyone of everything once that is
// as much as there is.
func (w *World) spread(c *conn, bytes int) {
	n := c.up
	if n.spread == nil || n.spread.Over() {
		return
	}
	if c.view == nil {
		n.spread.Sent(int64(bytes))
	} else {
		c.view.Sent(int64(bytes))
		w.name(c)
	}
	if !n.spread.Over() {
		return
	}
	for _, c := range n.to {
		if c.view == nil || !c.open {
			continue
		}
		c.view = nil
		e := c.epoch
		w.at(lag(n, c.down), func() {
			if c.epoch == e && c.down.done < 0 {
				c.down.picker.SetState(c.key, true, bitset.New(0))
				w.pump(c.down)
			}
		})
	}
}
