package swarm

import "slices"

// flow is a run of bytes on its way from one node's uplink to another's downlink.
//
// A node sends one flow after the other at the full rate of its uplink; only
// while receivers take less than that does it start further ones with what is
// left. A receiver's downlink is shared evenly by the flows that come to it.
type flow struct {
	from, to *node
	left     float64 // bytes, as of upd
	rate     float64 // bytes a second
	most     float64 // what the sender's link has for it
	upd      int64
	gen      int
	done     func() // the last byte has left the sender
}

// maxFlows bounds the flows that a node has under way, as a server bounds the
// bytes that it has in writing.
const maxFlows = 8

// spare is what the uplink has left, in bytes a second.
func (n *node) spare() float64 {
	r := n.up
	for _, f := range n.out {
		r -= f.rate
	}
	return r
}

// send starts a flow with what the uplink has left.
func (w *World) send(from, to *node, bytes int, done func()) *flow {
	for _, f := range from.out {
		f.most = f.rate // what it leaves now belongs to the new one
	}
	f := &flow{from: from, to: to, left: float64(bytes), most: from.spare(), upd: w.now, done: done}
	from.out = append(from.out, f)
	to.in = append(to.in, f)
	w.share(to)
	return f
}

// cut ends a flow early. What has not been sent is lost.
func (w *World) cut(f *flow) {
	f.gen++
	w.unlink(f)
	w.share(f.to)
}

func (w *World) unlink(f *flow) {
	f.from.out = slices.DeleteFunc(f.from.out, func(o *flow) bool { return o == f })
	f.to.in = slices.DeleteFunc(f.to.in, func(o *flow) bool { return o == f })
}

// share divides the downlink of n among the flows that come in: each gets the
// same, but no more than its sender has for it.
func (w *World) share(n *node) {
	sum := 0.0
	for _, f := range n.in {
		sum += f.most
	}
	level := n.down
	if sum > n.down { // find the level at which the flows fill the link
		byMost := slices.Clone(n.in)
		slices.SortStableFunc(byMost, func(a, b *flow) int {
			switch {
			case a.most < b.most:
				return -1
			case a.most > b.most:
				return 1
			}
			return 0
		})
		room := n.down
		for i, f := range byMost {
			level = room / float64(len(byMost)-i)
			if f.most >= level {
				break
			}
			room -= f.most
		}
	}
	for _, f := range n.in {
		if r := min(f.most, level); r != f.rate {
			w.pace(f, r)
		}
	}
}

// pace sets the rate of a flow, and so when it ends.
func (w *World) pace(f *flow, rate float64) {
	f.left -= f.rate * float64(w.now-f.upd) / 1e9
	f.rate, f.upd = rate, w.now
	f.gen++
	gen := f.gen
	if rate <= 0 {
		return
	}
	w.at(int64(max(f.left, 0)/rate*1e9)+1, func() {
		if f.gen != gen {
			return
		}
		f.gen++
		w.unlink(f)
		w.share(f.to)
		f.done()
		w.serve(f.from)
	})
	if slow := f.from; slow.spare() > slow.up/8 && len(slow.out) < maxFlows {
		w.at(0, func() { w.serve(slow) })
	}
}
