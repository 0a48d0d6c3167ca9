package steer

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
)

// A transfer that found nobody is tried again later and later.
const (
	retryFirst = time.Minute
	retryMost  = time.Hour
)

// Request is what a transfer is to do; a plan only keeps it.
type Request struct {
	Ref   string        `json:"ref"`  // CID or link
	Path  string        `json:"path"` // absolute
	Force bool          `json:"force,omitempty"`
	Wait  time.Duration `json:"wait,omitempty"` // nanoseconds in JSON
	// InOrder says to fetch from the beginning to the end.
	InOrder bool `json:"in_order,omitempty"`
}

// Task is one transfer that was asked for and is not done.
type Task struct {
	ID   int     `json:"-"` // unique in this run, from 1
	Root cid.Cid `json:"-"`
	Name string  `json:"name"`
	Request
	Added time.Time `json:"added"`
	// Brief says that it is gone with the command that waits for it; others stay
	// until they are done or cancelled, over restarts.
	Brief bool `json:"-"`

	// Done of Size bytes were there when it last stopped running; Size is 0 if that
	// was not known.
	Done int64 `json:"done,omitempty"`
	Size int64 `json:"size,omitempty"`
	// What came of it so far: Failed says that it is not tried again by itself,
	// Again when it is, Why and Try what to tell the user.
	Tries  int       `json:"tries,omitempty"`
	Failed bool      `json:"failed,omitempty"`
	Again  time.Time `json:"again,omitzero"`
	Why    string    `json:"why,omitempty"`
	Try    string    `json:"try,omitempty"`

	running bool
}

// State is what a task is doing.
type State string

// The states of a task.
const (
	Running State = "fetching"
	Queued  State = "queued"  // others come first
	Paused  State = "paused"  // by the user
	Waiting State = "waiting" // nobody had it; it is tried again by itself
	Failed  State = "failed"  // it is not
)

// Add puts a task at the end of the queue and returns it with its ID. If one that
// is not brief does the same already, it returns that instead: isNew is false then.
func (p *Plan) Add(t Task) (added Task, isNew bool, err error) {
	if !t.Brief {
		for _, o := range p.tasks {
			if !o.Brief && o.Root == t.Root && o.Ref == t.Ref && o.Path == t.Path {
				return *o, false, nil
			}
		}
	}
	if len(p.tasks) >= MaxTasks {
		return t, false, ErrFull
	}
	p.last++
	t.ID, t.running = p.last, false
	p.tasks = append(p.tasks, &t)
	return t, true, nil
}

// Remove takes a task out, done or not.
func (p *Plan) Remove(id int) {
	p.tasks = slices.DeleteFunc(p.tasks, func(t *Task) bool { return t.ID == id })
}

// Tasks lists the tasks in the order in which they were asked for.
func (p *Plan) Tasks() []Task {
	out := make([]Task, len(p.tasks))
	for i, t := range p.tasks {
		out[i] = *t
	}
	return out
}

// Task returns one of them.
func (p *Plan) Task(id int) (Task, bool) {
	if t := p.task(id); t != nil {
		return *t, true
	}
	return Task{}, false
}

func (p *Plan) task(id int) *Task {
	if i := slices.IndexFunc(p.tasks, func(t *Task) bool { return t.ID == id }); i >= 0 {
		return p.tasks[i]
	}
	return nil
}

// State is what a task is doing at a time.
func (p *Plan) State(now time.Time, t Task) State {
	switch {
	case p.Root(t.Root).Paused:
		return Paused
	case t.Failed:
		return Failed
	case now.Before(t.Again):
		return Waiting
	case t.running:
		return Running
	}
	return Queued
}

// Arrange decides which tasks run now: those that run already go on, and others
// follow in the order in which they were asked for, up to Settings.AtOnce. It
// returns the IDs of those that are to run. It is to be called again when anything
// has changed, and at [Plan.Deadline].
func (p *Plan) Arrange(now time.Time) (run []int) {
	var ready []*Task
	for _, t := range p.tasks {
		if s := p.State(now, *t); (s == Running || s == Queued) && (t.Brief || !p.held) {
			ready = append(ready, t)
		} else {
			t.running = false
		}
	}
	slices.SortStableFunc(ready, func(a, b *Task) int { return cmp.Compare(order(a), order(b)) })
	for i, t := range ready {
		if t.running = p.settings.AtOnce == 0 || i < p.settings.AtOnce; t.running {
			run = append(run, t.ID)
		}
	}
	return run
}

func order(t *Task) int {
	if t.running {
		return 0
	}
	return 1
}

// Deadline is when a task is due to be tried again, if nothing changes until
// then; zero is never.
func (p *Plan) Deadline(now time.Time) (at time.Time) {
	for _, t := range p.tasks {
		if p.State(now, *t) == Waiting && (at.IsZero() || t.Again.Before(at)) {
			at = t.Again
		}
	}
	return at
}

// Reached says how far a task has come, in bytes.
func (p *Plan) Reached(id int, done, size int64) {
	if t := p.task(id); t != nil {
		t.Done, t.Size = min(done, size), size
	}
}

// Failed says that a task ended with an error, and what to tell the user of it.
// Where nobody had the content (again), it is tried again by itself, later every
// time.
func (p *Plan) Failed(now time.Time, id int, again bool, why, try string) {
	t := p.task(id)
	if t == nil {
		return
	}
	t.Why, t.Try, t.running = why, try, false
	t.Failed = !again
	if again {
		t.Again = now.Add(min(retryFirst<<min(t.Tries, 10), retryMost))
		t.Tries++
	}
}
