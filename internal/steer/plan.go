package steer

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
)

// MaxTasks bounds the queue, and MaxRoots the roots of which something is kept.
const (
	MaxTasks = 10_000
	MaxRoots = 1_000_000
)

// ErrFull means that the queue takes no more.
var ErrFull = fmt.Errorf("more than %d transfers wait", MaxTasks)

// errRootOnly is about what can be set for the node only.
var errRootOnly = errors.New("is set for the whole node, not for one CID")

// Root is what a user has set for one CID, and what came of it.
type Root struct {
	Paused bool `json:"paused,omitempty"` // by the user: neither fetched nor served
	Rested bool `json:"rested,omitempty"` // its goal is reached: no longer served
	// LimitUp and LimitDown are bytes a second, beside the node's; 0 is no limit.
	LimitUp   int64 `json:"limit_up,omitempty"`
	LimitDown int64 `json:"limit_down,omitempty"`
	// Goal is its own; nil: the node's, if it was fetched here.
	Goal    *Goal `json:"goal,omitempty"`
	Fetched bool  `json:"fetched,omitempty"`
	// Sent are the bytes of it that went to others, Seconds the time for which it
	// has been served in all.
	Sent    int64   `json:"sent,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
}

// Active reports whether it is to be fetched and served at all.
func (r Root) Active() bool { return !r.Paused && !r.Rested }

func (r Root) validate() error {
	if r.LimitUp < 0 || r.LimitUp > MaxRate || r.LimitDown < 0 || r.LimitDown > MaxRate || r.Sent < 0 || !(r.Seconds >= 0) {
		return fmt.Errorf("a limit of %d bytes up and %d down %w", r.LimitUp, r.LimitDown, ErrSetting)
	}
	if r.Goal != nil {
		return r.Goal.validate()
	}
	return nil
}

// Plan is all that a user has set and asked for. It is used by one goroutine at a
// time. The zero Plan is not ready: [New] and [Decode] make one.
type Plan struct {
	settings Settings
	roots    map[cid.Cid]*Root
	tasks    []*Task // in the order in which they were asked for
	last     int     // ID of the latest task
	held     bool
}

// New makes a plan in which nothing is set.
func New() *Plan { return &Plan{roots: make(map[cid.Cid]*Root)} }

// Hold keeps all tasks but brief ones from running: the plan is that of a node
// which is there for one command.
func (p *Plan) Hold() { p.held = true }

// Settings are what holds for the node as a whole.
func (p *Plan) Settings() Settings { return p.settings }

// Set changes the settings, or with an error, nothing.
func (p *Plan) Set(c Change) error {
	s := c.To(p.settings)
	if err := s.validate(); err != nil {
		return err
	}
	p.settings = s
	return nil
}

// Root is what is set for a root.
func (p *Plan) Root(root cid.Cid) Root {
	if r := p.roots[root]; r != nil {
		return *r
	}
	return Root{}
}

// SetRoot changes what is set for a root, or with an error, nothing. A goal that
// is set anew is counted on what was given before; a root at rest that has not
// reached it goes on.
func (p *Plan) SetRoot(root cid.Cid, size int64, c Change) error {
	r := p.Root(root)
	if c.AtOnce != nil {
		return fmt.Errorf("%w: how many run at a time %w", ErrSetting, errRootOnly)
	}
	set(&r.LimitUp, c.LimitUp)
	set(&r.LimitDown, c.LimitDown)
	if c.GoalRatio != nil || c.GoalSeconds != nil {
		g := c.goal(p.goal(r))
		r.Goal = &g
		r.Rested = r.Rested && g.reached(r.Sent, size, r.Seconds)
	}
	if err := r.validate(); err != nil {
		return err
	}
	return p.keep(root, r)
}

// Pause says that a root is neither fetched nor served until [Plan.Resume].
func (p *Plan) Pause(root cid.Cid) error {
	r := p.Root(root)
	r.Paused = true
	return p.keep(root, r)
}

// Resume ends a pause or rest, and lets failed transfers of the root try again at
// once. A root whose goal was reached is served without one from then on: who
// wakes it wants it served.
func (p *Plan) Resume(root cid.Cid) error {
	r := p.Root(root)
	r.Paused = false
	if r.Rested {
		r.Rested, r.Goal = false, &Goal{}
	}
	for _, t := range p.tasks {
		if t.Root == root {
			t.Failed, t.Tries, t.Again, t.Why, t.Try = false, 0, time.Time{}, "", ""
		}
	}
	return p.keep(root, r)
}

// Fetched says that a root was fetched whole and is served from now on.
func (p *Plan) Fetched(root cid.Cid) {
	r := p.Root(root)
	r.Fetched, r.LimitDown = true, 0
	_ = p.keep(root, r) // one more that counts for no goal does no harm
}

// Forget drops what is kept of a root.
func (p *Plan) Forget(root cid.Cid) { delete(p.roots, root) }

// Retain drops what is kept of roots that are neither known nor asked for.
func (p *Plan) Retain(known func(cid.Cid) bool) {
	for root := range p.roots {
		if !known(root) && !slices.ContainsFunc(p.tasks, func(t *Task) bool { return t.Root == root }) {
			delete(p.roots, root)
		}
	}
}

// Served says that a root was served for some time, and how many bytes of it went
// out. It reports whether its goal, or the node's, is reached by that; the root is
// then at rest. size is that of its content in bytes.
func (p *Plan) Served(root cid.Cid, size, sent int64, took time.Duration) (rests bool) {
	r := p.Root(root)
	if !r.Active() {
		return false
	}
	grow(&r.Sent, sent)
	r.Seconds += max(took, 0).Seconds()
	r.Rested = p.goal(r).reached(r.Sent, size, r.Seconds)
	return p.keep(root, r) == nil && r.Rested
}

// Goal is the one that holds for a root.
func (p *Plan) Goal(root cid.Cid) Goal { return p.goal(p.Root(root)) }

func (p *Plan) goal(r Root) Goal {
	switch {
	case r.Goal != nil:
		return *r.Goal
	case r.Fetched:
		return p.settings.Goal
	}
	return Goal{}
}

func (p *Plan) keep(root cid.Cid, r Root) error {
	if r == (Root{}) {
		delete(p.roots, root)
		return nil
	}
	if p.roots[root] == nil && len(p.roots) >= MaxRoots {
		return fmt.Errorf("%w: something is set for %d CIDs already", ErrSetting, MaxRoots)
	}
	p.roots[root] = &r
	return nil
}
