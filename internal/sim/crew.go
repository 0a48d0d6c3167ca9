package sim

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Shards run on their own in windows of time that are no longer than any message
// takes: what one of them does in a window reaches another one after it. Between
// two windows there is a barrier, at which everything happens that is not a single
// node's: functions of Do, and what the owner is told. This is the conservative
// scheme of parallel simulation, with one global window (Chandy and Misra 1979;
// Nicol 1993).
//
// A window of the public Internet's latencies has some dozen events, which take a
// tenth of a millisecond, so workers wait for each other by spinning.

// crew are the workers that run the shards of a world.
type crew struct {
	w       *World
	workers []*worker
	until   int64 // the end of the window, exclusive
	parity  int   // which mail of the outboxes is being written
	heads   [shardCount]int64
	pace    int // events of the last windows, for a guess whether help pays
	done    bool

	_     [64]byte
	grab  atomic.Int32 // shards that were taken in this window
	_     [64]byte
	epoch atomic.Uint32 // counts windows for which help is wanted
	_     [64]byte
	left  atomic.Int32 // helpers that are not done with the window
}

// worker is one of a crew. The first one is whoever called RunFor.
type worker struct {
	out      outbox
	patience int // spins before it sleeps
	asleep   atomic.Bool
	wake     chan struct{}
	_        [64]byte
}

// outbox is what one worker has to say at the next barrier.
type outbox struct {
	mail   [2][shardCount][]mail // by parity and receiver
	parity int
	until  int64
	least  int64 // when the earliest of the letters arrives
	ran    int   // events
	news   news
}

// mail is a letter to another shard.
type mail struct {
	at  int64
	key uint64
	letter
}

func (o *outbox) put(to int, at int64, key uint64, l *letter) {
	box := &o.mail[o.parity][to]
	*box = append(*box, mail{at: at, key: key, letter: *l})
	o.least = min(o.least, at)
}

// newCrew makes a crew of so many.
func newCrew(w *World, workers int) *crew {
	c := &crew{w: w}
	patience := patientSpins
	if workers > runtime.GOMAXPROCS(0) { // who spins keeps another one from working
		patience = 0
	}
	for range min(workers, shardCount) {
		c.workers = append(c.workers, &worker{patience: patience, wake: make(chan struct{}, 1)})
	}
	return c
}

// runApart lets the shards run until the end, inclusive.
func (w *World) runApart(end int64) {
	if w.crew == nil {
		w.crew = newCrew(w, w.settings.Workers)
	}
	c := w.crew
	var wait sync.WaitGroup
	c.done = false
	for _, k := range c.workers[1:] {
		epoch := c.epoch.Load()
		wait.Go(func() { c.help(k, epoch) })
	}
	first := c.muster()
	for w.err == nil {
		if w.act(min(first, end)) {
			first = c.muster() // it may have entered anything
			continue
		}
		if first > end {
			break
		}
		c.until = min(first+w.least, end+1)
		if w.acts.Len() > 0 {
			c.until = min(c.until, w.acts.Next())
		}
		first = c.window()
		w.now = min(c.until, end)
		if w.gather() {
			first = c.muster()
		}
	}
	c.dismiss()
	wait.Wait()
	c.muster()
}

// muster hands out the mail that is left, outside of any window, and is when the
// next event comes.
func (c *crew) muster() int64 {
	first := int64(math.MaxInt64)
	for i := range c.w.shards {
		s := &c.w.shards[i]
		for _, k := range c.workers {
			k.out.deliver(s, 0)
			k.out.deliver(s, 1)
		}
		first = min(first, s.head())
	}
	return first
}

// deliver hands a shard its mail of one parity.
func (o *outbox) deliver(s *shard, parity int) {
	box := &o.mail[parity][s.index]
	for i := range *box {
		m := &(*box)[i]
		s.take(m.at, m.key, &m.letter)
	}
	*box = (*box)[:0]
}

// alonePace is the number of events in a window below which waking the others
// takes longer than doing their work.
const alonePace = 6

// window runs all shards until the window's end, and is when the next event comes.
func (c *crew) window() int64 {
	c.parity = 1 - c.parity
	c.w.apart = true
	c.grab.Store(0)
	helped := len(c.workers) > 1 && c.pace >= alonePace*4
	if helped {
		c.left.Store(int32(len(c.workers) - 1))
		c.epoch.Add(1)
		for _, k := range c.workers[1:] {
			k.rouse()
		}
	}
	for _, k := range c.workers {
		if !helped || k == c.workers[0] {
			k.out.open(c)
		}
	}
	c.work(c.workers[0])
	if helped {
		c.workers[0].await(func() bool { return c.left.Load() == 0 })
	}
	c.w.apart = false
	first := slices.Min(c.heads[:])
	ran := 0
	for _, k := range c.workers {
		first = min(first, k.out.least)
		ran += k.out.ran
	}
	c.pace += ran - c.pace/4 // four times the mean
	return first
}

// open makes an outbox ready for a window.
func (o *outbox) open(c *crew) {
	o.parity, o.until, o.least, o.ran = c.parity, c.until, math.MaxInt64, 0
}

// work runs shards of the window that nobody has taken yet.
func (c *crew) work(k *worker) {
	for {
		i := int(c.grab.Add(1)) - 1
		if i >= shardCount {
			return
		}
		s := &c.w.shards[i]
		for _, from := range c.workers {
			from.out.deliver(s, 1-c.parity)
		}
		s.out = &k.out
		for s.queue.Len() > 0 && s.queue.Next() < c.until {
			s.one()
			k.out.ran++
		}
		c.heads[i] = s.head()
	}
}

// help is the life of a worker: a window whenever the epoch changes.
func (c *crew) help(k *worker, epoch uint32) {
	for {
		k.await(func() bool { return c.epoch.Load() != epoch })
		epoch++
		if c.done {
			return
		}
		k.out.open(c)
		c.work(k)
		if c.left.Add(-1) == 0 {
			c.workers[0].rouse()
		}
	}
}

// await spins until a condition holds, and then sleeps until it is roused after it
// began to hold.
func (k *worker) await(over func() bool) {
	for spins := 0; !over(); spins++ {
		if spins < k.patience {
			if spins%quietSpins == quietSpins-1 {
				runtime.Gosched()
			}
			continue
		}
		k.asleep.Store(true)
		if !over() || !k.asleep.CompareAndSwap(true, false) {
			<-k.wake
		}
	}
}

// rouse ends a worker's sleep.
func (k *worker) rouse() {
	if k.asleep.CompareAndSwap(true, false) {
		k.wake <- struct{}{}
	}
}

// dismiss ends the lives of the helpers.
func (c *crew) dismiss() {
	c.done = true
	c.epoch.Add(1)
	for _, k := range c.workers[1:] {
		k.rouse()
	}
}

const (
	// quietSpins are made before other goroutines are let run, patientSpins before
	// the worker sleeps: some tens of microseconds, about as long as waking takes.
	quietSpins   = 1 << 12
	patientSpins = 1 << 14
)

// news is what the owner of a world is to be told.
type news struct {
	members []membered
	endings []ending
	failed  []failed
}

type membered struct {
	n  *Node
	at int64
}

type failed struct {
	n   *Node
	at  int64
	err error
}

// gather tells the owner what happened in the last window, in the order of its
// happening, and reports whether it was anything.
func (w *World) gather() bool {
	some := false
	for _, k := range w.crew.workers {
		o := &k.out.news
		if len(o.members)+len(o.endings)+len(o.failed) == 0 {
			continue
		}
		some = true
		w.news.members = append(w.news.members, o.members...)
		w.news.endings = append(w.news.endings, o.endings...)
		w.news.failed = append(w.news.failed, o.failed...)
		clear(o.members)
		clear(o.endings)
		o.members, o.endings, o.failed = o.members[:0], o.endings[:0], nil
	}
	if !some {
		return false
	}
	n := &w.news
	slices.SortFunc(n.members, func(a, b membered) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n.Number, b.n.Number))
	})
	slices.SortFunc(n.endings, func(a, b ending) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Op, b.Op))
	})
	slices.SortFunc(n.failed, func(a, b failed) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n.Number, b.n.Number))
	})
	w.tell()
	return true
}

// tell calls those that wait for something, unless a step is being performed.
func (w *World) tell() {
	n := &w.news
	for w.depth == 0 {
		switch {
		case len(n.failed) > 0:
			f := n.failed[0]
			n.failed = nil
			w.fail(f.n, f.at, f.err)
		case len(n.members) > 0:
			m := n.members[0]
			n.members = n.members[1:]
			w.OnMember(m.n, timeOf(m.at))
		case len(n.endings) > 0:
			e := n.endings[0]
			n.endings = n.endings[1:]
			e.then(e.Outcome)
		default:
			n.members, n.endings = nil, nil
			return
		}
	}
}
