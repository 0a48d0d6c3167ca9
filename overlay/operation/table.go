package operation

import (
	"fmt"
	"maps"
	"slices"

	"ringswap/overlay"
)

// Operation is a running [overlay.Start].
type Operation interface {
	// Stop ends it early and returns what it has so far. It is called once at
	// the most, and not after [Table.Finish].
	Stop() overlay.Result
}

// Table holds the running operations, and gives each the one Done that is its
// due. Limit and Emit must be set.
type Table struct {
	// Limit is the most operations that run at a time.
	Limit int
	// Emit takes the table's effects: Found and Done.
	Emit func(overlay.Effect)

	running map[overlay.OpID]Operation
	closed  bool
}

// Admit reports whether an operation may start. If not, its owner has been told
// why, by a Done. Of an operation that runs already, nothing is said: the owner
// broke its promise, and the first one goes on.
func (t *Table) Admit(id overlay.OpID) bool {
	switch {
	case t.closed:
		t.Fail(id, overlay.ErrClosed)
	case t.running[id] != nil:
	case len(t.running) >= t.Limit:
		t.Fail(id, fmt.Errorf("%w: %d operations are running", overlay.ErrRefused, len(t.running)))
	default:
		return true
	}
	return false
}

// Fail ends an operation that never ran; a nil err says that there was nothing to
// wait for.
func (t *Table) Fail(id overlay.OpID, err error) { t.Emit(overlay.Done{Op: id, Err: err}) }

// Add takes in an operation that was admitted. It runs until Finish.
func (t *Table) Add(id overlay.OpID, op Operation) {
	if t.running == nil {
		t.running = make(map[overlay.OpID]Operation)
	}
	t.running[id] = op
}

// Len is the number of operations that run.
func (t *Table) Len() int { return len(t.running) }

// Runs reports whether op still runs under that number.
func (t *Table) Runs(id overlay.OpID, op Operation) bool { return t.running[id] == op }

// Finish says that an operation has come to its end. One that does not run is
// ignored.
func (t *Table) Finish(id overlay.OpID, res overlay.Result, err error) {
	if t.running[id] != nil {
		delete(t.running, id)
		t.Emit(overlay.Done{Op: id, Result: res, Err: err})
	}
}

// Interrupt ends an operation early, with what it has so far. One that does not
// run is ignored.
func (t *Table) Interrupt(id overlay.OpID, err error) {
	if op := t.running[id]; op != nil {
		t.Finish(id, op.Stop(), err)
	}
}

// Close ends all operations with ErrClosed, and every later one at once.
func (t *Table) Close() {
	t.closed = true
	for _, id := range slices.Sorted(maps.Keys(t.running)) {
		t.Interrupt(id, overlay.ErrClosed)
	}
}
