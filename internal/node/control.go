package node

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/internal/steer"
	"ringswap/store"
	"ringswap/transfer/swap"
)

// Settings implements [Service].
func (n *Node) Settings(_ context.Context, c SettingsChange) (Settings, error) {
	if c.Empty() {
		return n.steering.settings(), nil
	}
	err := n.steering.set(c)
	if err != nil && !errors.Is(err, errUnsaved) {
		return Settings{}, steerFailure(err, "that")
	}
	if err := n.applySettings(); err != nil {
		return Settings{}, failure(KindFailed, err, "", "the limits cannot be applied")
	}
	if err != nil {
		return Settings{}, steerFailure(err, "that")
	}
	return n.steering.settings(), nil
}

// applySettings lets the limits hold from now on.
func (n *Node) applySettings() error {
	s := n.steering.settings()
	n.down.Set(swap.Rate(s.LimitDown))
	return n.server.SetLimit(upRate(s.LimitUp))
}

func upRate(limit int64) swap.Rate {
	if limit == ServeNobody {
		return swap.None
	}
	return swap.Rate(limit)
}

// Enqueue implements [Service]. What is in the queue already is not put there again.
func (n *Node) Enqueue(ctx context.Context, req GetRequest) (Transfer, error) {
	ref, err := parsePath(req.Ref)
	if err != nil {
		return Transfer{}, err
	}
	if !filepath.IsAbs(req.Path) {
		return Transfer{}, usage("the path %q is not absolute", req.Path)
	}
	t, isNew, err := n.ask(ref, req, false)
	if err != nil {
		return Transfer{}, err
	}
	if isNew && !n.cfg.Brief {
		n.runTask(t)
	}
	return n.taskInfo(time.Now(), t.ID), ctx.Err()
}

// ask puts a transfer into the plan, and reports whether it is new there. Who asks
// for a root wants it: a pause ends.
func (n *Node) ask(ref ref, req GetRequest, brief bool) (t steer.Task, isNew bool, err error) {
	if req.Limit < 0 || req.Limit > steer.MaxRate {
		return t, false, usage("a limit of %d bytes a second is not possible", req.Limit)
	}
	change := n.steering.update
	if brief {
		change = n.steering.updateBriefly // a command should not wait for the disk
	}
	err = change(func(p *steer.Plan) (err error) {
		t, isNew, err = p.Add(steer.Task{
			Root: ref.root, Name: ref.name, Added: time.Now().UTC().Truncate(time.Second), Brief: brief,
			Request: steer.Request{Ref: req.Ref, Path: req.Path, Force: req.Force, Wait: req.Wait, InOrder: req.InOrder},
		})
		if err == nil && (p.Root(ref.root).Paused || !isNew) {
			err = p.Resume(ref.root)
		}
		if err == nil && req.Limit > 0 && !brief {
			err = p.SetRoot(ref.root, 0, steer.Change{LimitDown: &req.Limit})
		}
		return err
	})
	if err != nil {
		return t, false, steerFailure(err, "the transfer of "+ref.root.String())
	}
	if brief && req.Limit > 0 {
		n.steering.limitForCommand(ref.root, req.Limit)
	}
	n.applyRoot(ref.root)
	return t, isNew, nil
}

// Control implements [Service].
func (n *Node) Control(ctx context.Context, req ControlRequest) ([]Transfer, error) {
	roots, err := n.concerned(ctx, req)
	if err != nil {
		return nil, err
	}
	var gone []Transfer
	if req.Action == ActionCancel {
		gone = n.tasksOf(roots)
		if len(gone) == 0 {
			return nil, &Error{Kind: KindNotFound, What: "nothing to cancel: " + req.Ref + " is not being fetched", Try: "peer transfers"}
		}
	}
	kept, sizes := make(map[cid.Cid]bool, len(roots)), make(map[cid.Cid]int64, len(roots))
	for _, root := range roots {
		kept[root], sizes[root] = n.keeps(root), n.size(root)
	}
	err = n.steering.update(func(p *steer.Plan) error {
		for _, root := range roots {
			if err := control(p, root, sizes[root], req); err != nil {
				return err
			}
			if req.Action == ActionCancel && !kept[root] {
				p.Forget(root)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errUnsaved) {
		return nil, steerFailure(err, "that")
	}
	for _, root := range roots {
		if req.Change.LimitDown != nil {
			n.steering.limitForCommand(root, 0)
		}
		n.applyRoot(root)
	}
	if err != nil {
		return nil, steerFailure(err, "that")
	}
	if req.Action == ActionCancel {
		return gone, nil
	}
	out := []Transfer{}
	concerned := make(map[string]bool, len(roots))
	for _, root := range roots {
		concerned[root.String()] = true
	}
	for t, err := range n.Transfers(ctx) {
		if err != nil {
			return nil, err
		}
		if concerned[t.Cid] {
			out = append(out, t)
		}
	}
	return out, nil
}

// control does with one root what a request says.
func control(p *steer.Plan, root cid.Cid, size int64, req ControlRequest) error {
	switch req.Action {
	case ActionPause:
		return p.Pause(root)
	case ActionResume:
		return p.Resume(root)
	case ActionCancel:
		for _, t := range p.Tasks() {
			if t.Root == root {
				p.Remove(t.ID)
			}
		}
		return p.SetRoot(root, size, steer.Change{LimitDown: new(int64)})
	}
	return p.SetRoot(root, size, req.Change)
}

// concerned are the roots that a request is about. Each is fetched or kept here.
func (n *Node) concerned(ctx context.Context, req ControlRequest) (roots []cid.Cid, err error) {
	switch req.Action {
	case ActionSet, ActionPause, ActionResume, ActionCancel:
	default:
		return nil, usage("there is no action %q", req.Action)
	}
	known, order := make(map[cid.Cid]bool), []cid.Cid{}
	n.steering.look(func(p *steer.Plan) {
		for _, t := range p.Tasks() {
			if !known[t.Root] {
				known[t.Root], order = true, append(order, t.Root)
			}
		}
	})
	if req.Ref != "" {
		ref, err := parseRef(req.Ref)
		if err != nil {
			return nil, err
		}
		if !known[ref.root] && !n.keeps(ref.root) {
			return nil, &Error{Kind: KindNotFound, What: ref.root.String() + " is neither fetched nor shared here", Try: "peer transfers"}
		}
		return []cid.Cid{ref.root}, nil
	}
	if req.Action == ActionSet || req.Action == ActionCancel {
		return nil, usage("a CID is missing")
	}
	for root, err := range n.kept(ctx) {
		if err != nil {
			return nil, storeFailure(err, "cannot list what is shared")
		}
		if !known[root] {
			known[root], order = true, append(order, root)
		}
	}
	return order, nil
}

// keeps reports whether all of a root is here to stay.
func (n *Node) keeps(root cid.Cid) bool {
	if _, err := n.store.Root(root); err == nil {
		return true
	}
	_, err := n.store.Pin(root)
	return err == nil
}

// size is that of a root's content in bytes; 0 if it is not known.
func (n *Node) size(root cid.Cid) int64 {
	if r, err := n.store.Root(root); err == nil {
		return r.Size
	}
	if p, err := n.store.Pin(root); err == nil {
		return p.Size
	}
	return 0
}

// applyRoot serves and announces a root, or stops doing so, as the plan has it.
func (n *Node) applyRoot(root cid.Cid) {
	up := n.rootRate(root)
	if err := n.server.SetRootLimit(root, up); err != nil {
		n.log.Error("a limit cannot be applied", "cid", root, "err", err)
	}
	if !n.transfers.serves(root) {
		return
	}
	n.spawn(func(ctx context.Context) error {
		if up == swap.None {
			return n.net.driver.Unprovide(ctx, root)
		}
		n.announce(ctx, root)
		return nil
	})
}

// forgetRoot drops what is set for a root that is not kept here any more.
func (n *Node) forgetRoot(root cid.Cid) {
	if err := n.steering.forget(root); err != nil {
		n.log.Warn("what was set for a root is not forgotten on disk", "cid", root, "err", err)
	}
	n.applyRoot(root)
}

// applyRoots is applyRoot for what was set in earlier runs, before anything is
// announced.
func (n *Node) applyRoots() error {
	var roots []cid.Cid
	n.steering.look(func(p *steer.Plan) { roots = p.Roots() })
	for _, root := range roots {
		if err := n.server.SetRootLimit(root, n.rootRate(root)); err != nil {
			return err
		}
	}
	return nil
}

// rootRate bounds what is sent of a root.
func (n *Node) rootRate(root cid.Cid) (up swap.Rate) {
	n.steering.look(func(p *steer.Plan) {
		r := p.Root(root)
		if up = swap.Rate(r.LimitUp); !r.Active() {
			up = swap.None
		}
	})
	return up
}

// active reports whether a root is to be served.
func (n *Node) active(root cid.Cid) (yes bool) {
	n.steering.look(func(p *steer.Plan) { yes = p.Root(root).Active() })
	return yes
}

func steerFailure(err error, what string) error {
	switch {
	case errors.Is(err, steer.ErrSetting):
		return failure(KindUsage, err, "peer help limit", "%s is not possible", what)
	case errors.Is(err, errUnsaved):
		return failure(KindFailed, err, "free some space on the disk, then the same command again", "%s holds, but only until this node ends", what)
	case errors.Is(err, steer.ErrFull):
		return failure(KindFailed, err, "peer transfers, and peer cancel", "%s is not taken into the queue", what)
	case errors.Is(err, store.ErrNotFound):
		return failure(KindNotFound, err, "peer transfers", "%s is not here", what)
	}
	return failure(KindFailed, err, "", "%s failed", what)
}
