package store

import (
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// turnDB asks for compactions as Pebble does: with its lock held, and one that
// is refused waits to be scheduled.
type turnDB struct {
	t     *testing.T
	turns *compactions
	ends  sync.WaitGroup

	mu                     sync.Mutex
	waiting, running, done int
	closed                 bool
}

func (d *turnDB) GetAllowedWithoutPermission() int { return 1 }

func (d *turnDB) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open()
	return d.waiting > 0, pebble.WaitingCompaction{}
}

func (d *turnDB) Schedule(pebble.CompactionGrantHandle) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open()
	if d.waiting == 0 {
		return false // it was given up meanwhile
	}
	d.waiting--
	d.begin()
	return true
}

// want asks for one more compaction.
func (d *turnDB) want() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ok, _ := d.turns.TrySchedule(); ok {
		d.begin()
	} else {
		d.waiting++
	}
}

func (d *turnDB) begin() {
	if d.running++; d.running > 1 {
		d.t.Error("two compactions at a time")
	}
	d.ends.Go(func() {
		d.mu.Lock()
		d.running--
		d.done++
		d.mu.Unlock()
		d.turns.Done()
	})
}

func (d *turnDB) open() {
	if d.closed {
		d.t.Error("called after it was closed")
	}
}

// TestCompactionsTakeTurns: none runs before the release, two never run at once,
// and none that was refused is forgotten.
func TestCompactionsTakeTurns(t *testing.T) {
	for range 200 {
		d := &turnDB{t: t, turns: newCompactions()}
		d.turns.Register(2, d)
		const askers, each = 4, 8
		d.want()
		if d.waiting != 1 {
			t.Fatal("a compaction began before the release")
		}
		var asking sync.WaitGroup
		for range askers {
			asking.Go(func() {
				for range each {
					d.want()
				}
			})
		}
		d.turns.release()
		asking.Wait()
		d.ends.Wait()
		if d.done != askers*each+1 || d.waiting != 0 {
			t.Fatalf("%d of %d compactions ran, %d wait", d.done, askers*each+1, d.waiting)
		}
	}
}

// TestCompactionsEnd: nobody looks for compactions in a database that closes.
func TestCompactionsEnd(t *testing.T) {
	for range 200 {
		d := &turnDB{t: t, turns: newCompactions()}
		d.turns.Register(2, d)
		for range 8 {
			d.want()
		}
		var releasing sync.WaitGroup
		releasing.Go(d.turns.release)
		d.turns.Unregister()
		d.mu.Lock()
		d.closed = true
		d.mu.Unlock()
		releasing.Wait()
		d.ends.Wait()
	}
}
