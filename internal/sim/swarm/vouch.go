package swarm

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap/fair"
)

// vouches lets every node sign what it has received, and carry what others have
// signed for it to the seeds that it asks.
func (w *World) vouches() {
	w.at(w.cfg.Vouch.Nanoseconds(), w.vouches)
	said := make(map[peer.ID][]fair.Vouch)
	for _, v := range w.present {
		for _, p := range sortedKeys(v.got) {
			said[p] = append(said[p], fair.Vouch{By: v.id, For: p, Bytes: v.got[p], At: w.time()})
		}
		if !v.group.Strategy.Collude {
			continue
		}
		for _, o := range w.present {
			if o != v && o.group == v.group {
				said[o.id] = append(said[o.id], fair.Vouch{By: v.id, For: o.id, Bytes: int64(w.cfg.Size), At: w.time()})
			}
		}
	}
	for _, n := range w.present {
		for _, k := range sortedKeys(n.from) {
			c := n.from[k]
			if !c.open {
				continue
			}
			for _, v := range said[n.id] {
				if c.up.book.Vouch(w.time(), n.id, v) != nil {
					w.refusedVouches++
				}
			}
		}
	}
}

// washes lets the nodes that have further identities use them where they are not
// served.
func (w *World) washes() {
	w.at(time.Second.Nanoseconds(), w.washes)
	for _, n := range w.present {
		for _, k := range sortedKeys(n.from) {
			if c := n.from[k]; c.served == c.was && c.identity < n.group.Strategy.Identities {
				c.identity++
				c.as = peer.ID(string(n.id) + "/" + string(rune('0'+c.identity)))
			} else {
				c.was = c.served
			}
		}
	}
}
