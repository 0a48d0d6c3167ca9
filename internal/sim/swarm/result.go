package swarm

import (
	"fmt"
	"time"
)

// Result is what a run found.
type Result struct {
	Groups []GroupResult `json:"groups"`
	// Seconds is when the last honest node was done, or when the run ended.
	Seconds float64 `json:"seconds"`
	// Leaked is the share of all bytes delivered until then that went to nodes
	// that do not play honestly.
	Leaked float64 `json:"leaked"`
	// Jain is the index of what honest nodes received for what they sent: 1 if
	// it is the same for all. Config.Counted bounds who counts.
	Jain float64 `json:"jain"`
	// Wasted is the share of the bytes delivered that was thrown away.
	Wasted float64 `json:"wasted"`
	// RefusedVouches, Drops and Events count what happened.
	RefusedVouches int `json:"refused_vouches"`
	Drops          int `json:"drops"`
	Events         int `json:"events"`
}

// GroupResult is what became of the nodes of one group that did not begin
// complete. Times are from a node's coming until it had everything, in seconds;
// one that never had counts with what it had waited.
type GroupResult struct {
	Name     string  `json:"name"`
	Nodes    int     `json:"nodes"`
	Done     int     `json:"done"`
	Mean     float64 `json:"mean_s"`
	Last     float64 `json:"last_s"`
	First    float64 `json:"first_chunk_s"`    // in the mean, of those that had one
	Sent     float64 `json:"sent_bytes"`       // a node
	Received float64 `json:"received_bytes"`   // a node
	Most     int64   `json:"most_received"`    // by one node
	Until    float64 `json:"until_mark_bytes"` // received when the last honest node was done
}

// Group returns the result of the group of that name.
func (r *Result) Group(name string) *GroupResult {
	for i := range r.Groups {
		if r.Groups[i].Name == name {
			return &r.Groups[i]
		}
	}
	return &GroupResult{Name: name}
}

func (w *World) result() *Result {
	r := &Result{
		Seconds: float64(w.markedAt) / 1e9, RefusedVouches: w.refusedVouches, Drops: w.drops, Events: w.steps,
	}
	var all, leaked, received, wasted, n, sum, squares float64
	for _, x := range w.nodes {
		received += float64(x.received)
		wasted += float64(x.wasted)
		if x.picker == nil {
			continue
		}
		all += float64(max(x.mark, 0))
		if !x.group.Strategy.Honest() {
			leaked += float64(max(x.mark, 0))
		} else if x.sent > 0 && x.done >= 0 && (w.cfg.Counted == 0 || x.joined <= w.cfg.Counted.Nanoseconds()) {
			q := float64(x.received) / float64(x.sent)
			n, sum, squares = n+1, sum+q, squares+q*q
		}
	}
	r.Leaked, r.Wasted = leaked/max(all, 1), wasted/max(received, 1)
	if squares > 0 {
		r.Jain = sum * sum / (n * squares)
	}
	for i := range w.cfg.Groups {
		if g := &w.cfg.Groups[i]; !g.Complete {
			r.Groups = append(r.Groups, w.groupResult(g))
		}
	}
	return r
}

func (w *World) groupResult(g *Group) GroupResult {
	r := GroupResult{Name: g.Name}
	first := 0
	for _, x := range w.nodes {
		if x.group != g {
			continue
		}
		r.Nodes++
		end := x.done
		if end < 0 {
			end = w.now
		} else {
			r.Done++
		}
		s := float64(end-x.joined) / 1e9
		r.Mean += s
		r.Last = max(r.Last, s)
		if x.first >= 0 {
			first++
			r.First += float64(x.first-x.joined) / 1e9
		}
		r.Sent += float64(x.sent)
		r.Received += float64(x.received)
		r.Most = max(r.Most, x.received)
		r.Until += float64(max(x.mark, 0))
	}
	k := float64(max(r.Nodes, 1))
	r.Mean, r.Sent, r.Received, r.Until = r.Mean/k, r.Sent/k, r.Received/k, r.Until/k
	r.First /= float64(max(first, 1))
	return r
}

// Bound is the least time in which a seed of uplink seed can bring size bytes to
// n nodes that come at once, with links of up and down bytes a second: the file
// must leave the seed once, enter each node, and be sent n times by all together.
func Bound(size, n int, seed, up, down float64) time.Duration {
	f := float64(size)
	s := max(f/seed, f/down, float64(n)*f/(seed+float64(n)*up))
	return time.Duration(s * float64(time.Second))
}

// check returns what must never be: a link that carries more than it can, bytes
// that come from nowhere.
func (w *World) check() error {
	const slack = 1 + 1e-6
	for _, n := range w.nodes {
		var up, down float64
		for _, f := range n.out {
			up += f.rate
		}
		for _, f := range n.in {
			down += f.rate
		}
		life := float64(w.now-n.joined) / 1e9
		switch {
		case up > n.up*slack:
			return fmt.Errorf("%v sends %.0f bytes a second of %.0f", n, up, n.up)
		case down > n.down*slack:
			return fmt.Errorf("%v receives %.0f bytes a second of %.0f", n, down, n.down)
		case float64(n.sent) > n.up*life*slack+1:
			return fmt.Errorf("%v has sent %d bytes in %.2f s", n, n.sent, life)
		case float64(n.received) > n.down*life*slack+1:
			return fmt.Errorf("%v has received %d bytes in %.2f s", n, n.received, life)
		case n.group.Strategy.Mute && n.sent > 0:
			return fmt.Errorf("%v sends", n)
		}
		if n.picker != nil {
			if have := w.bytesOf(n); have > n.received-n.wasted {
				return fmt.Errorf("%v has %d bytes and received %d, of which %d were not wanted", n, have, n.received, n.wasted)
			}
		}
	}
	var sent, received int64
	for _, n := range w.nodes {
		sent += n.sent
		received += n.received
	}
	if received > sent {
		return fmt.Errorf("%d bytes were received and %d sent", received, sent)
	}
	if w.fetching < 0 || w.waiting < 0 {
		return fmt.Errorf("%d fetch, %d are waited for", w.fetching, w.waiting)
	}
	return nil
}

// bytesOf is the size of what n has.
func (w *World) bytesOf(n *node) int64 {
	sum := int64(n.have.Count()) * int64(w.cfg.Chunk)
	if last := n.have.Size() - 1; n.have.Has(last) {
		sum += int64(w.sizeOf(last) - w.cfg.Chunk)
	}
	return sum
}
