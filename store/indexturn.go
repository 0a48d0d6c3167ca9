package store

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// compactions lets Pebble run its compactions one at a time, and none before
// release. Pebble's own scheduler would begin one while the database opens and
// then have Open wait for it, for up to a second after a heavy import; it also
// wakes ten times a second for as long as the process runs.
type compactions struct {
	db pebble.DBForCompaction

	mu     sync.Mutex
	idle   sync.Cond // of mu: granting has ended
	held   bool      // before release
	closed bool
	// busy says that a compaction runs, or that grant is looking for one; missed
	// that another asked meanwhile.
	busy, granting, missed bool
}

func newCompactions() *compactions {
	c := &compactions{held: true}
	c.idle.L = &c.mu
	return c
}

// Register is called once, while the database opens.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) { c.db = db }

// Unregister is called when it closes. It waits until no call into it is under way.
func (c *compactions) Unregister() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for c.granting {
		c.idle.Wait()
	}
}

// TrySchedule asks for permission. If it is refused, the compaction waits to be
// granted. The caller holds locks of the database.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held || c.closed || c.busy {
		c.missed = true
		return false, nil
	}
	c.busy = true
	return true, c
}

// UpdateGetAllowedWithoutPermission says that more compactions may be wanted at a
// time: one is enough here.
func (c *compactions) UpdateGetAllowedWithoutPermission() {}

// release lets compactions begin.
func (c *compactions) release() {
	c.mu.Lock()
	c.held = false
	free := !c.busy
	c.busy = true
	c.mu.Unlock()
	if free {
		c.grant()
	}
}

// Done is called at the end of a compaction, with no locks held.
func (c *compactions) Done() { c.grant() }

// grant starts the compaction that waits, if there is one. The caller has set
// busy, or is the end of the compaction that had.
func (c *compactions) grant() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed {
		c.missed, c.granting = false, true
		c.mu.Unlock()
		started := false
		if waiting, _ := c.db.GetWaitingCompaction(); waiting {
			started = c.db.Schedule(c)
		}
		c.mu.Lock()
		c.granting = false
		c.idle.Broadcast()
		if started {
			return // busy until its Done
		}
		if !c.missed {
			break
		}
	}
	c.busy = false
}

// Started, MeasureCPU and CumulativeStats are of no interest here.
func (c *compactions) Started() {}

// MeasureCPU is part of the interface.
func (c *compactions) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats is part of the interface.
func (c *compactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}
