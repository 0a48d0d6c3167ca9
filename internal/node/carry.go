package node

import (
	"context"
	"errors"
	"time"

	"ringswap/internal/steer"
	"ringswap/transfer/swap"
)

// carrier brings one task to its end, in as many runs as it takes: it is held back
// while others come first or the user pauses it.
type carrier struct {
	n        *Node
	id       int
	ref      ref
	req      GetRequest
	progress func(Progress)

	peers   []GotPeer // what they gave in all runs
	resumed int64     // there before the first run; -1: not known yet
}

// carry does what a task asks for.
func (n *Node) carry(ctx context.Context, id int, ref ref, req GetRequest, progress func(Progress)) (Got, error) {
	c := &carrier{n: n, id: id, ref: ref, req: req, progress: progress, resumed: -1}
	begin := time.Now()
	for {
		if err := n.steering.await(ctx, id, c.waits); err != nil {
			return Got{}, c.ended(err)
		}
		got, err := c.run(ctx)
		if err == nil {
			got.Seconds, got.Peers, got.Resumed = time.Since(begin).Seconds(), c.peers, max(c.resumed, 0)
			return got, nil
		}
		if !errors.Is(err, errHeld) {
			return Got{}, c.ended(err)
		}
	}
}

// run is one run; its error wraps errHeld or errCancelled if that ended it.
func (c *carrier) run(ctx context.Context) (Got, error) {
	run, done := c.n.steering.run(ctx, c.id)
	defer done()
	got, err := c.n.getOnce(run, c)
	if cause := context.Cause(run); err != nil && ctx.Err() == nil && (errors.Is(cause, errHeld) || errors.Is(cause, errCancelled)) {
		return Got{}, cause
	}
	return got, err
}

// waits shows what the task waits for.
func (c *carrier) waits(st steer.State) {
	p := Progress{Phase: string(st), Name: c.ref.shown()}
	switch st {
	case steer.Paused:
		p.Note = "paused; to go on: peer resume " + c.ref.root.String()
	case steer.Queued, steer.Running:
		p.Phase, p.Note = string(steer.Queued), "other transfers come first; to let more run at a time: peer limit --at-once N"
	}
	report(c.progress, p)
}

// ended is the error of a task that did not come to its end.
func (c *carrier) ended(err error) error {
	root := c.ref.text()
	switch {
	case errors.Is(err, errCancelled):
		return &Error{
			Kind: KindInterrupted, What: "the transfer of " + root + " was cancelled", Why: "with peer cancel",
			Try: "peer get " + root + ", which goes on where it was", Err: err,
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		var told *Error
		if !errors.As(err, &told) {
			return failure(KindInterrupted, err, "the same command again resumes it", "the transfer of %s was interrupted", root)
		}
	}
	return err
}

// gave adds what the peers of a run gave.
func (c *carrier) gave(run []GotPeer) {
next:
	for _, p := range run {
		for i := range c.peers {
			if c.peers[i].ID == p.ID {
				c.peers[i].Bytes += p.Bytes
				c.peers[i].Path = p.Path
				continue next
			}
		}
		c.peers = append(c.peers, p)
	}
}

// runQueue starts every task that earlier runs of the node left.
func (n *Node) runQueue() {
	var tasks []steer.Task
	n.steering.look(func(p *steer.Plan) { tasks = p.Tasks() })
	for _, t := range tasks {
		if !t.Brief {
			n.runTask(t)
		}
	}
}

// runTask carries a task of the queue in the background until it is done or
// cancelled. What goes wrong is noted in the plan, which says whether and when it
// is tried again.
func (n *Node) runTask(t steer.Task) {
	n.spawn(func(ctx context.Context) error {
		ref, err := parsePath(t.Ref)
		if err != nil {
			return n.noteFailure(t.ID, err)
		}
		for {
			_, err := n.carry(ctx, t.ID, ref, GetRequest{Ref: t.Ref, Path: t.Path, Force: t.Force, Wait: t.Wait, InOrder: t.InOrder}, nil)
			switch {
			case ctx.Err() != nil:
				return nil // the node closes: the task stays in the plan
			case errors.Is(err, errCancelled):
				return nil
			case err == nil:
				return n.steering.update(func(p *steer.Plan) error { p.Remove(t.ID); return nil })
			}
			if err := n.noteFailure(t.ID, err); err != nil {
				n.log.Warn("the queue could not be written down", "err", err)
			}
		}
	})
}

// noteFailure writes down why a task of the queue did not come to its end.
func (n *Node) noteFailure(id int, err error) error {
	e := AsError(err)
	again := errors.Is(err, swap.ErrNoProviders)
	n.log.Info("a transfer of the queue failed", "task", id, "again", again, "err", err)
	return n.steering.update(func(p *steer.Plan) error {
		p.Failed(time.Now(), id, again, e.Error(), e.Try)
		return nil
	})
}
