package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/internal/steer"
	"ringswap/transfer"
	"ringswap/transfer/swap"
)

// errHeld is the cause of a run's end when its task may run no longer for now, and
// errCancelled when it is not wanted any more.
var (
	errHeld      = errors.New("held back")
	errCancelled = errors.New("it was cancelled")
)

// steering is what the user has set and asked for, at work: the plan, its file, and
// who waits for their turn.
type steering struct {
	path string

	mu            sync.Mutex
	plan          *steer.Plan
	dirty         bool          // the file is not up to date
	allowed       []int         // tasks that may run
	changed       chan struct{} // closed and replaced when allowed or a task changed
	throttles     map[cid.Cid]*swap.Throttle
	commandLimits map[cid.Cid]int64 // limits down that a command brought, which hold as long as it
	live          map[int]*fetch    // of the tasks that run
	override      steer.Change      // the limits of this run's command line, until they are changed
}

// openSteering reads what earlier runs left. What cannot be read is left out, and
// put aside as .damaged; the error says so, and the result is usable beside it.
func openSteering(path string, brief bool) (*steering, error) {
	s := &steering{
		path: path, plan: steer.New(), changed: make(chan struct{}),
		throttles: make(map[cid.Cid]*swap.Throttle), commandLimits: make(map[cid.Cid]int64), live: make(map[int]*fetch),
	}
	text, err := readBounded(path, steer.MaxFile)
	if err == nil {
		var plan *steer.Plan
		if plan, err = steer.Decode(text); err == nil {
			s.plan = plan
		}
	}
	if brief {
		s.plan.Hold()
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	err = fmt.Errorf("limits and transfers that were set earlier cannot be read from %s: %w", path, err)
	return s, errors.Join(err, os.Rename(path, path+".damaged"))
}

// update changes the plan and writes it down. An error of f means that nothing
// changed; one of the disk comes back as errUnsaved, and the change holds until the
// process ends.
func (s *steering) update(f func(p *steer.Plan) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := f(s.plan); err != nil {
		return err
	}
	s.arrange()
	s.dirty = true
	return s.save()
}

// done takes a task out that a command waited for.
func (s *steering) done(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan.Remove(id)
	s.arrange()
}

// updateBriefly is update for what need not be written down at once: a crash within
// a minute may forget it.
func (s *steering) updateBriefly(f func(p *steer.Plan) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := f(s.plan); err != nil {
		return err
	}
	s.dirty = true
	s.arrange()
	return nil
}

// served lets f count what was given; that is written down later.
func (s *steering) served(f func(p *steer.Plan)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.plan)
	s.dirty = true
}

// retry lets tasks try again that are due.
func (s *steering) retry(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.allowed, s.plan.Arrange(now)) {
		s.arrange()
	}
}

// look lets f read the plan.
func (s *steering) look(f func(p *steer.Plan)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.plan)
}

// arrange decides anew who runs. s.mu is held.
func (s *steering) arrange() {
	s.allowed = s.plan.Arrange(time.Now())
	for root, t := range s.throttles {
		if r := s.down(root); t.Rate() != r {
			t.Set(r)
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// errUnsaved is wrapped when what was set could not be written down.
var errUnsaved = errors.New("it could not be written down")

// save writes the plan down if it changed. s.mu is held.
func (s *steering) save() error {
	if !s.dirty {
		return nil
	}
	text, err := s.plan.Encode()
	if err == nil {
		err = replaceFile(s.path, func(w io.Writer) error { _, err := w.Write(text); return err })
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnsaved, err)
	}
	s.dirty = false
	return nil
}

// throttle bounds what is fetched of a root.
func (s *steering) throttle(root cid.Cid) *swap.Throttle {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.throttles[root]
	if t == nil {
		t = swap.NewThrottle(s.down(root))
		s.throttles[root] = t
	}
	return t
}

// down bounds what is fetched of a root, beside the node's limit. s.mu is held.
func (s *steering) down(root cid.Cid) swap.Rate {
	if limit, ok := s.commandLimits[root]; ok {
		return swap.Rate(limit)
	}
	return swap.Rate(s.plan.Root(root).LimitDown)
}

// limitDown is what bounds what is fetched of a root; 0 is no limit.
func (s *steering) limitDown(root cid.Cid) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.down(root))
}

// limitForCommand lets a limit down hold for a root until the command ends that brought it;
// 0 takes it back.
func (s *steering) limitForCommand(root cid.Cid, limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.commandLimits, root); limit > 0 {
		s.commandLimits[root] = limit
	}
	s.arrange()
}

// taskView is a task as it is at a moment.
type taskView struct {
	steer.Task
	state   steer.State
	allowed bool            // it may run
	changed <-chan struct{} // closed when it is time to look again
}

// task looks at a task; ok is false if there is none any more.
func (s *steering) task(id int) (v taskView, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.plan.Task(id)
	return taskView{t, s.plan.State(time.Now(), t), slices.Contains(s.allowed, id), s.changed}, ok
}

// await returns when a task may run: nil, or errCancelled, or the error of ctx.
// waits is told now and then what it waits for, and may be nil.
func (s *steering) await(ctx context.Context, id int, waits func(steer.State)) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		t, ok := s.task(id)
		switch {
		case !ok:
			return errCancelled
		case ctx.Err() != nil:
			return ctx.Err()
		case t.allowed:
			return nil
		}
		if waits != nil {
			waits(t.state)
		}
		select {
		case <-t.changed:
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// run is a context for a task that may run: it ends with ctx, with the cause
// errHeld when the task may run no longer, and with errCancelled when it was taken
// out. The caller calls done, which waits.
func (s *steering) run(ctx context.Context, id int) (run context.Context, done func()) {
	run, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			t, ok := s.task(id)
			if !ok {
				cancel(errCancelled)
			} else if !t.allowed {
				cancel(errHeld)
			}
			select {
			case <-t.changed:
			case <-run.Done():
				return
			}
		}
	})
	return run, func() { cancel(nil); watch.Wait() }
}

// runs notes what a task fetches with from now on, until stopped is called.
func (s *steering) runs(id int, f *fetch) (stopped func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[id] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if at := f.at.Load(); at != nil && at.Phase >= transfer.PhaseFetching { // else what was known before holds
			s.plan.Reached(id, at.Bytes, at.Total)
			s.dirty = true
		}
		delete(s.live, id)
	}
}

// progress is how far a task has come: as it is, or as it was when it last ran.
func (s *steering) progress(id int) Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.live[id]; f != nil {
		return f.progress()
	}
	t, _ := s.plan.Task(id)
	return Progress{Done: t.Done, Total: t.Size}
}

// settings are those in force.
func (s *steering) settings() steer.Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.override.To(s.plan.Settings())
}

// waiting is how many tasks do not run.
func (s *steering) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.plan.Tasks()) - len(s.allowed)
}

// set changes the settings. What the command line said of this run holds until it
// is changed.
func (s *steering) set(c steer.Change) error {
	return s.update(func(p *steer.Plan) error {
		if err := p.Set(c); err != nil {
			return err
		}
		if c.LimitUp != nil {
			s.override.LimitUp = nil
		}
		if c.LimitDown != nil {
			s.override.LimitDown = nil
		}
		return nil
	})
}

// forget drops what is set for a root that is not kept here any more.
func (s *steering) forget(root cid.Cid) error {
	return s.update(func(p *steer.Plan) error {
		p.Forget(root)
		delete(s.throttles, root)
		return nil
	})
}

// openSteering prepares what the user set, before anything is served.
func (n *Node) openSteering() {
	var err error
	n.steering, err = openSteering(filepath.Join(n.cfg.Repo, "steering.json"), n.cfg.Brief)
	n.steering.override = steer.Change{LimitUp: n.cfg.LimitUp, LimitDown: n.cfg.LimitDown}
	if err != nil {
		n.notices.add(err.Error())
		n.log.Warn("what was set earlier is not used", "err", err)
	}
}
