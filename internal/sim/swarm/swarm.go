package swarm

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/internal/sim/agenda"
	"ringswap/transfer/swap/fair"
)

var (
	epoch = time.Unix(1e9, 0)
	root  = cid.Undef // there is one swarm, whose name does not matter
)

// Group is a number of nodes that are alike.
type Group struct {
	Name  string
	Count int
	// Up and Down are the rates of a node's link, in bytes a second.
	Up, Down float64
	// Delay is how long a message takes between two nodes of such a Delay.
	Delay time.Duration
	// Complete nodes have everything from the beginning.
	Complete bool
	// Spread says that complete nodes begin by naming other chunks to each peer
	// (super-seeding).
	Spread bool
	// Every is the mean time between arrivals, which are independent of each
	// other; 0: all come at once, at the beginning.
	Every time.Duration
	// From is when the first come.
	From time.Duration
	// Stay is how long a node that has everything goes on seeding: 0 not at all,
	// negative for ever.
	Stay time.Duration
	// Leave is when a node goes, finished or not; 0: not.
	Leave    time.Duration
	Strategy Strategy
}

// Config is what a run is made of. Rule, Size, Chunk and Groups must be set.
type Config struct {
	Seed   uint64
	Rule   Rule
	Size   int // of the file, in bytes
	Chunk  int // of a chunk, in bytes
	Groups []Group
	// View is how many members the tracker names: 0 means 30.
	View int
	// Vouch is how often nodes tell what others vouch for: 0 means every second.
	Vouch time.Duration
	// Counted bounds the nodes that the Jain index is of: those that came until
	// then; 0 means all. Who comes last meets nobody to give to.
	Counted time.Duration
	// Limit ends the run: 0 means after ten minutes.
	Limit time.Duration
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case c.Rule.Make == nil:
		return errors.New("swarm: no Rule")
	case c.Chunk < minTurn || c.Chunk > 1<<20:
		return fmt.Errorf("swarm: a Chunk of %d bytes", c.Chunk)
	case c.Size < c.Chunk:
		return fmt.Errorf("swarm: a Size of %d bytes", c.Size)
	case min(c.Vouch, c.Counted, c.Limit) < 0 || c.View < 0:
		return errors.New("swarm: a setting is negative")
	case len(c.Groups) == 0:
		return errors.New("swarm: no Groups")
	}
	n := 0
	for _, g := range c.Groups {
		n += g.Count
		if g.Count < 0 || g.Up <= 0 || g.Down <= 0 || g.Delay < 0 || min(g.Every, g.From, g.Leave) < 0 {
			return fmt.Errorf("swarm: group %q", g.Name)
		}
	}
	if n > MaxNodes {
		return fmt.Errorf("swarm: %d nodes, the most is %d", n, MaxNodes)
	}
	return nil
}

// MaxNodes bounds the nodes of a run.
const MaxNodes = 9999

// World is a swarm in virtual time. It is used by one goroutine.
type World struct {
	cfg     Config
	now     int64 // ns since the beginning
	events  agenda.Agenda[func()]
	rng     *rand.Rand
	nodes   []*node // that ever came
	present []*node
	expect  int // nodes that are still to come

	fetching int // nodes that are here and not done
	waiting  int // honest ones that are not done, come or not
	marked   bool
	markedAt int64

	refusedVouches int
	drops          int
	steps          int

	watch func() // called after every event, if set

	blocks []string // what chokers call the chunks, but small ones
	conns  []*conn  // room for serve
	cands  []fair.Candidate
}

func (w *World) at(d int64, f func()) { w.events.Push(w.now+d, f) }

// Run lets a swarm come, share and go.
func Run(cfg Config) (*Result, error) {
	w, err := newWorld(cfg)
	if err != nil {
		return nil, err
	}
	w.run()
	return w.result(), nil
}

func newWorld(cfg Config) (*World, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	for _, d := range []struct{ v, d *time.Duration }{{&cfg.Vouch, ptr(time.Second)}, {&cfg.Limit, ptr(10 * time.Minute)}} {
		if *d.v == 0 {
			*d.v = *d.d
		}
	}
	if cfg.View == 0 {
		cfg.View = 30
	}
	cfg.Groups = slices.Clone(cfg.Groups)
	w := &World{cfg: cfg, rng: newRand(cfg.Seed, streamTracker, 0)}
	for i := range (cfg.Size + cfg.Chunk - 1) / cfg.Chunk {
		name := ""
		if w.sizeOf(i) >= firstTurn {
			name = strconv.Itoa(i)
		}
		w.blocks = append(w.blocks, name)
	}
	for i := range w.cfg.Groups {
		w.expectGroup(&w.cfg.Groups[i], newRand(cfg.Seed, streamArrivals, uint64(i)))
	}
	w.at(w.cfg.Vouch.Nanoseconds(), w.vouches)
	if slices.ContainsFunc(cfg.Groups, func(g Group) bool { return g.Strategy.Identities > 0 }) {
		w.at(time.Second.Nanoseconds(), w.washes)
	}
	return w, nil
}

func ptr[T any](v T) *T { return &v }

// expectGroup plans the arrivals of a group.
func (w *World) expectGroup(g *Group, rng *rand.Rand) {
	at := float64(g.From)
	for range g.Count {
		if g.Every > 0 {
			at += rng.ExpFloat64() * float64(g.Every)
		}
		if !g.Complete && g.Strategy.Honest() {
			w.waiting++
		}
		w.expect++
		w.at(int64(at), func() {
			w.expect--
			w.join(w.newNode(g))
		})
	}
}

func (w *World) run() {
	for w.events.Len() > 0 && w.events.Next() < w.cfg.Limit.Nanoseconds() {
		at, do := w.events.Pop()
		w.now = at
		w.steps++
		do()
		if w.watch != nil {
			w.watch()
		}
		if w.expect == 0 && w.fetching == 0 {
			break
		}
	}
	if !w.marked {
		w.mark()
	}
}

func (w *World) join(n *node) {
	w.present = append(w.present, n)
	if n.done < 0 {
		w.fetching++
	}
	w.announce(n)
	if n.group.Leave > 0 {
		w.at(n.group.Leave.Nanoseconds(), func() { w.leave(n) })
	}
}

// announce asks the tracker, which names some members at random, and again
// later. Who is named is connected to, both ways.
func (w *World) announce(n *node) {
	if n.left || n.done >= 0 && n.picker != nil {
		return
	}
	others := slices.DeleteFunc(slices.Clone(w.present), func(o *node) bool { return o == n })
	w.rng.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	view := w.cfg.View
	if n.group.Strategy.Everyone {
		view = len(others)
	}
	for _, o := range others[:min(view, len(others))] {
		w.connect(n, o)
		w.connect(o, n)
	}
	if n.picker == nil {
		return
	}
	w.look(n, 1)
}

// look lets a node that fetches ask the tracker again: four times as seldom as it
// looks, unless it gets next to nothing from those it knows, however many.
func (w *World) look(n *node, times int) {
	got := n.received
	w.at(int64(5*time.Second)+w.rng.Int64N(int64(5*time.Second)), func() {
		switch {
		case n.left || n.done >= 0:
		case n.received-got < int64(w.cfg.Chunk),
			times%4 == 0 && (len(n.from) < w.cfg.View || n.group.Strategy.Everyone):
			w.announce(n)
		default:
			w.look(n, times+1)
		}
	})
}

// finished counts a node that has everything.
func (w *World) finished(n *node) {
	w.fetching--
	w.givenUp(n)
}

// givenUp counts a node that is not waited for any more.
func (w *World) givenUp(n *node) {
	if !n.group.Strategy.Honest() {
		return
	}
	if w.waiting--; w.waiting == 0 {
		w.mark()
	}
}

// mark remembers what everyone had when the last honest node was done.
func (w *World) mark() {
	w.marked, w.markedAt = true, w.now
	for _, n := range w.nodes {
		n.mark = n.received
	}
}

func sortedKeys[V any](m map[peer.ID]V) []peer.ID { return slices.Sorted(maps.Keys(m)) }
