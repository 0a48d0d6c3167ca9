package node

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/internal/steer"
	"ringswap/store"
)

// Transfers implements [Service]: first what is fetched, or is to be, in the order
// in which it was asked for, then what is here whole.
func (n *Node) Transfers(ctx context.Context) iter.Seq2[Transfer, error] {
	return func(yield func(Transfer, error) bool) {
		for _, t := range n.tasksOf(nil) {
			if !yield(t, nil) {
				return
			}
		}
		seen := make(map[cid.Cid]bool)
		for root, err := range n.store.Roots(ctx) {
			if err != nil {
				yield(Transfer{}, storeFailure(err, "cannot list what is shared"))
				return
			}
			seen[root.Cid] = true
			if !yield(n.seedInfo(root), nil) {
				return
			}
		}
		for pin, err := range n.store.Pins(ctx) {
			if err != nil {
				yield(Transfer{}, storeFailure(err, "cannot list the pins"))
				return
			}
			if !seen[pin.Cid] && !yield(n.seedInfo(store.Root{Cid: pin.Cid, Name: pin.Name, Size: pin.Size}), nil) {
				return
			}
		}
	}
}

// tasksOf lists the tasks of some roots; nil is all.
func (n *Node) tasksOf(roots []cid.Cid) []Transfer {
	var tasks []steer.Task
	n.steering.look(func(p *steer.Plan) { tasks = p.Tasks() })
	now, out := time.Now(), []Transfer{}
	for _, t := range tasks {
		if roots == nil || slices.Contains(roots, t.Root) {
			out = append(out, n.taskInfo(now, t.ID))
		}
	}
	return out
}

// taskInfo is how a task stands; the zero Transfer if it has just ended.
func (n *Node) taskInfo(now time.Time, id int) Transfer {
	task, ok := n.steering.task(id)
	if !ok {
		return Transfer{}
	}
	t := n.rootInfo(task.Root)
	t.Name, t.Path, t.State, t.Queued, t.Why, t.Try = task.Name, task.Path, string(task.state), !task.Brief, task.Why, task.Try
	if task.state != steer.Running {
		t.RateIn = 0 // the last seconds are of a run that has ended
	}
	if task.state == steer.Waiting {
		t.Again = max(0, task.Again.Sub(now).Seconds())
	}
	p := n.steering.progress(id)
	t.Done, t.Size, t.Peers = p.Done, p.Total, p.Peers
	return t
}

// seedInfo is how something stands that is here whole.
func (n *Node) seedInfo(root store.Root) Transfer {
	t := n.rootInfo(root.Cid)
	t.Name, t.Path, t.Done, t.Size = root.Name, root.Path, root.Size, root.Size
	if t.Size > 0 {
		t.Ratio = float64(t.Sent) / float64(t.Size)
	}
	return t
}

// rootInfo is what is set for a root, and what was given of it.
func (n *Node) rootInfo(root cid.Cid) Transfer {
	t := Transfer{Cid: root.String(), State: "seeding"}
	n.steering.look(func(p *steer.Plan) {
		r := p.Root(root)
		switch {
		case r.Paused:
			t.State = string(steer.Paused)
		case r.Rested:
			t.State = "resting"
		}
		t.LimitUp, t.Goal = r.LimitUp, p.Goal(root)
		t.Sent, t.Seconds = r.Sent, r.Seconds
	})
	t.LimitDown = n.steering.limitDown(root)
	t.RateIn, t.RateOut = n.flows.rates(root)
	for _, u := range n.server.Uploads() {
		if u.Root == root && u.Wants > 0 {
			t.Peers++
		}
	}
	return t
}

// steerEvery is how often goals and retries are looked at, and saveSteering how
// often what was given is written down: that much of it a crash forgets.
const (
	steerEvery   = 2 * time.Second
	saveSteering = time.Minute
)

// steer counts what is given, ends what has reached its goal, lets what waited try
// again, and forgets swarms that are gone, until ctx ends.
func (n *Node) steer(ctx context.Context) error {
	last, saved := time.Now(), time.Now()
	for pause(ctx, steerEvery) {
		now := time.Now()
		n.countServed(now, now.Sub(last))
		n.steering.retry(now)
		n.gossip.sweep()
		if last = now; now.Sub(saved) >= saveSteering {
			saved = now
			n.saveSteering()
		}
	}
	return nil
}

// saveSteering writes down what changed by itself.
func (n *Node) saveSteering() {
	n.steering.mu.Lock()
	err := n.steering.save()
	n.steering.mu.Unlock()
	if err != nil {
		n.notices.add("limits and transfers could not be written down: " + err.Error())
		n.log.Warn("limits and transfers cannot be written down", "err", err)
	}
}

// countServed adds to the accounts of the roots what was given since the last time.
func (n *Node) countServed(now time.Time, took time.Duration) {
	n.flows.sample(now, n.meter.Swarms(), n.sentToPeers(), n.transfers.received())
	sent := n.flows.take()
	roots := slices.SortedFunc(maps.Keys(sent), func(a, b cid.Cid) int { return strings.Compare(a.KeyString(), b.KeyString()) })
	n.steering.look(func(p *steer.Plan) {
		for _, root := range p.Roots() {
			if _, ok := sent[root]; !ok && p.Goal(root).Seconds > 0 {
				roots = append(roots, root)
			}
		}
	})
	for _, root := range roots {
		switch {
		case n.transfers.serves(root):
			n.credit(root, n.size(root), sent[root], took)
		case n.transfers.holding(root) != nil: // a part: that counts, but who fetches does not rest
			n.credit(root, 0, sent[root], 0)
		}
	}
}

// credit counts what was given of a root, and lets it rest if that is enough.
func (n *Node) credit(root cid.Cid, size, sent int64, took time.Duration) {
	rests := false
	n.steering.served(func(p *steer.Plan) { rests = p.Served(root, size, sent, took) })
	if rests {
		n.log.Info("a seeding goal is reached", "cid", root)
		n.applyRoot(root)
	}
}

// sentToPeers is what went to every peer on the streams that are open, in bytes.
func (n *Node) sentToPeers() map[pair]int64 {
	sums := make(map[pair]int64)
	for _, u := range n.server.Uploads() {
		sums[pair{u.Root, u.Peer}] += u.Sent
	}
	return sums
}
