package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ipfs/go-cid"
)

// GCOptions says how garbage is collected.
type GCOptions struct {
	// Links returns what a block points to; the store knows no format. It is
	// not asked about raw blocks, which are leaves. Required.
	Links func(c cid.Cid, block []byte) ([]cid.Cid, error)
	// Garbage is the share of a pack that must be garbage for the pack to be
	// emptied and removed, above 0 and at most 1. 0: 0.25. The pack that is being
	// written to is left alone while it is small.
	Garbage float64
	// Force goes on though a part of a root or pin cannot be read; what hangs
	// below that part only is lost. Without it that is ErrIncomplete.
	Force bool
	// Progress, if not nil, is called now and then with the figures so far. It
	// must be quick and must not call the store.
	Progress func(GCStats)
}

// GCStats is what a collection has done.
type GCStats struct {
	Reached int64 // blocks that roots and pins lead to
	Blocks  int64 // owned blocks deleted
	Bytes   int64 // bytes of those
	Refs    int64 // references deleted, other than those of dropped files
	Files   int64 // files dropped, with all their references
	Packs   int64 // packs removed
	Freed   int64 // bytes of disk that this gave back
	Broken  int64 // nodes that could not be read (with Force)
}

// GC deletes what no root or pin leads to, and then gives disk space back by
// copying what is live out of packs that are mostly garbage. Readers and
// writers go on meanwhile. What is added after GC began, or through a [Batch]
// that is open, is kept.
//
// It can be interrupted at any moment through ctx, and the next call continues,
// unless a root or pin was removed in between, which makes it begin anew. Only
// one runs at a time; another waits its turn.
func (s *Store) GC(ctx context.Context, o GCOptions) (GCStats, error) {
	switch {
	case o.Links == nil:
		return GCStats{}, errors.New("store: GCOptions.Links is missing")
	case o.Garbage < 0 || o.Garbage > 1:
		return GCStats{}, fmt.Errorf("store: GCOptions.Garbage is %v", o.Garbage)
	case o.Garbage == 0:
		o.Garbage = 0.25
	}
	if err := s.life.enter(); err != nil {
		return GCStats{}, err
	}
	defer s.life.calls.Done()
	ctx, cancel := s.life.bounded(ctx)
	defer cancel()
	select {
	case s.gc.turn <- struct{}{}:
		defer func() { <-s.gc.turn }()
	case <-ctx.Done():
		return GCStats{}, context.Cause(ctx)
	}
	c, err := s.beginCycle()
	if err != nil {
		return GCStats{}, err
	}
	c.o = o
	err = s.runCycle(ctx, c)
	if err == nil || errors.Is(err, ErrIncomplete) {
		s.gc.end()
		s.reserve.restore()
	}
	return c.stats, err
}

// collector is the state of garbage collection between calls.
type collector struct {
	turn chan struct{} // a semaphore of one, for whoever runs a cycle

	mu    sync.Mutex
	cycle *cycle // nil if none is under way
	late  []cid.Cid
	stale bool // a root or pin was removed since the cycle began
}

func (g *collector) init() { g.turn = make(chan struct{}, 1) }

// reached tells a cycle that is under way of a new root or pin. The caller
// holds the write lock, so that no sweep step comes in between.
func (g *collector) reached(c cid.Cid) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cycle != nil {
		g.late = append(g.late, c)
	}
}

// outdated tells a cycle that is under way that more has become garbage.
func (g *collector) outdated() {
	g.mu.Lock()
	g.stale = true
	g.mu.Unlock()
}

// takeLate returns the roots and pins that came since the last call.
func (g *collector) takeLate() []cid.Cid {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.late
	g.late = nil
	return l
}

// quiet reports whether there are none.
func (g *collector) quiet() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.late) == 0
}

func (g *collector) end() {
	g.mu.Lock()
	g.cycle, g.late = nil, nil
	g.mu.Unlock()
}

// phase is a part of a cycle. Each can be left and entered again.
type phase uint8

const (
	phaseFinish  phase = iota // complete what an interrupted cycle or a crash left
	phaseRoots                // list what to mark from
	phaseMark                 // follow links
	phaseCensus               // find the files that marked blocks are in
	phaseFiles                // drop the others
	phaseBlocks               // delete locations of unmarked blocks
	phaseNamed                // weigh the records of files, roots and pins
	phaseCompact              // empty packs
	phaseDone
)

// cycle is one collection, from listing the roots to the last pack.
type cycle struct {
	o     GCOptions
	phase phase
	stats GCStats
	// below is the protection of what is new: what was last asked for in this
	// epoch or a later one is kept.
	below uint64

	stack    []cid.Cid           // to be expanded
	expanded map[string]struct{} // keys of CIDs with links that were
	marks    hashSet             // multihashes reached
	inUse    map[uint64]struct{} // files with reached blocks
	dead     map[uint64]bool     // files looked up: whether dropped
	cursor   string              // where the present phase goes on

	boundary logPos           // the log's end when weighing began
	weight   map[uint32]int64 // live bytes by pack, before boundary
	todo     []uint32         // packs to empty
}

// beginCycle returns the cycle to go on with, or a new one.
func (s *Store) beginCycle() (*cycle, error) {
	g := &s.gc
	g.mu.Lock()
	c := g.cycle
	if g.stale && c != nil {
		c, g.cycle, g.late = nil, nil, nil
	}
	g.stale = false
	g.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c = &cycle{
		expanded: map[string]struct{}{}, marks: newHashSet(), inUse: map[uint64]struct{}{},
		dead: map[uint64]bool{}, weight: map[uint32]int64{},
	}
	err := s.write(func(t *tables) error {
		t.m.epoch++
		c.below = t.m.epoch
		for _, e := range s.subs.holds {
			c.below = min(c.below, e)
		}
		g.mu.Lock()
		g.cycle = c // from here on it hears of new roots
		g.mu.Unlock()
		return nil
	})
	return c, err
}

func (s *Store) runCycle(ctx context.Context, c *cycle) error {
	steps := map[phase]func(context.Context, *cycle) error{
		phaseFinish: s.finishEmptying, phaseRoots: s.listRoots, phaseMark: s.mark,
		phaseCensus: s.census, phaseFiles: s.sweepFiles, phaseBlocks: s.sweepBlocks,
		phaseNamed: s.weighNamed, phaseCompact: s.compact,
	}
	for c.phase != phaseDone {
		if err := steps[c.phase](ctx, c); err != nil {
			return err
		}
		c.phase++
		c.cursor = ""
		c.report()
	}
	return s.flush(ctx)
}

func (c *cycle) report() {
	if c.o.Progress != nil {
		c.o.Progress(c.stats)
	}
}
