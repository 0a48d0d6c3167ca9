package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
)

// CrowdedChord is a Chord for soaks: with lists of r nodes, so short that a few
// failures exhaust them, tables that a small network fills, and upkeep so frequent that
// much happens. Answers are waited for longer than they ever take: whoever does
// not answer has stopped, unless the soak has others believe so.
func CrowdedChord(r int) Chord {
	var cfg chord.Config
	cfg.Copies = min(3, r+1)
	cfg.Ring.Successors, cfg.Ring.Stabilize, cfg.Ring.Eager = r, 5*time.Second, time.Second
	cfg.Fingers.Candidates, cfg.Fingers.Refresh, cfg.Cache.Entries = 2, 20*time.Second, 12
	cfg.Lookup.MinTimeout, cfg.Lookup.RequestTimeout = patience, patience
	cfg.Lookup.Hurry = -1 // one that is in a hurry may end with the node after a late one
	return Chord{Config: cfg}
}

const (
	// patience is how long an answer is waited for in a CrowdedChord. Whoever was
	// asked something before he stopped may be held for dead so long after he is
	// back, and left out of lists for doubtFor after that.
	patience = 5 * time.Second
	doubtFor = 20 * time.Second
	// calmFor is the longest that a ring in which nothing happens takes to be ideal.
	calmFor = 10 * time.Minute
)

// ringSoak is a soak of Chord, within what Zave's theorem assumes: the network
// begins as one ring with more than r members, and no failure, nor a suspicion of
// a node that lives, takes the last live entry out of a list or leaves fewer than
// r+1 principals (chord.Assumption). Then her invariant and the progress property
// have to hold after every event, and the ring has to be ideal soon after the last
// misfortune.
type ringSoak struct {
	*soak
	k       *chord.RingMonitor
	member  map[*Node]bool // has been one in this life
	doubted map[overlay.ID]time.Duration
	stopped []*Node         // the latest last
	founder *Node           // of a ring of one, which has no list
	ways    map[*Node]*Node // by which member a node enters
	state   chord.State
}

func newRingSoak(s *soak) *ringSoak {
	r := &ringSoak{
		soak: s, k: chord.NewRingMonitor(), member: make(map[*Node]bool), doubted: make(map[overlay.ID]time.Duration),
		ways: make(map[*Node]*Node),
	}
	s.w.After = r.after
	// A lost message is sent again, as a transport does: it comes late.
	s.w.settings.Latency = resent{Latency: s.w.settings.Latency, share: &r.loss}
	return r
}

// resent is a Latency of which a share of the messages needs several attempts.
type resent struct {
	Latency
	share *float64
}

// Delay implements [Latency].
func (l resent) Delay(from, to uint32, rng *rand.Rand) time.Duration {
	d := l.Latency.Delay(from, to, rng)
	for n := 0; n < 3 && rng.Float64() < *l.share; n++ {
		d += 300 * time.Millisecond
	}
	return d
}

// after looks at the ring after every step of a node.
func (r *ringSoak) after(n *Node) error {
	r.res.Checks++
	if m, ok := n.Machine().(*chord.Machine); ok {
		if err := r.cfg.Check(m); err != nil {
			return err
		}
		m.ReadState(&r.state)
		// Whoever was in the ring is, until he stops or leaves.
		r.member[n] = r.member[n] || r.state.Member || n == r.founder
		r.state.Member = r.member[n] && !r.leaving[n]
	} else {
		r.stopped = append(r.stopped, n)
		if n == r.founder {
			r.founder = nil
		}
		delete(r.member, n)
		delete(r.leaving, n)
		r.state = chord.State{Self: n.Contact.ID}
	}
	if !r.k.Set(&r.state) {
		return nil
	}
	r.res.Changes++
	if !r.k.Based() && r.k.Ideal() {
		r.assumption().Settle()
	}
	return r.k.Err()
}

// run alternates between misfortunes and calm.
func (r *ringSoak) run() error {
	if err := r.found(); err != nil {
		return err
	}
	for r.w.Events() < r.cfg.Events {
		end := r.w.Now() + time.Duration(r.rng.ExpFloat64()*float64(10*time.Minute))
		for r.w.Now() < end && r.w.Events() < r.cfg.Events {
			r.misfortune()
			if err := r.w.RunFor(time.Duration(r.rng.ExpFloat64() * float64(2*time.Second))); err != nil {
				return err
			}
		}
		if err := r.calm(); err != nil {
			return err
		}
		if err := r.verify(); err != nil {
			return err
		}
	}
	return nil
}

// found lets the ring begin: one node after the other, each when the ring of
// those before it is ideal.
func (r *ringSoak) found() error {
	for range r.cfg.Nodes {
		r.enter(r.insider())
		if err := r.calm(); err != nil {
			return err
		}
	}
	return nil
}

// enter adds a node that joins through a member, or begins a ring if there is
// none.
func (r *ringSoak) enter(via *Node) {
	if via != nil {
		n := r.join(via)
		r.ways[n] = via
		return
	}
	n := r.w.Add(true)
	r.res.Joins++
	r.founder = n
	r.check(n)
}

// check looks at the ring outside of any step.
func (r *ringSoak) check(n *Node) {
	if err := r.after(n); err != nil {
		r.w.fail(n, r.w.now, err)
	}
}

// calm waits until the ring of all servers is ideal.
func (r *ringSoak) calm() error {
	r.res.Calms++
	loss := r.loss
	r.loss = 0
	defer func() { r.loss = loss }()
	for _, n := range r.w.nodes { // whoever has not found in is shown the way again
		if via := r.insider(); n.Alive() && n.Server && !r.leaving[n] && !r.member[n] && via != nil {
			r.w.Join(n, via)
			r.ways[n] = via
		}
	}
	whole := func() bool { return r.k.Ideal() && r.k.Len() == r.servers() }
	ok, err := r.w.RunUntil(whole, calmFor)
	if err != nil || ok {
		return err
	}
	return r.failure(fmt.Errorf("%w: %d of %d servers are in it, ideal: %t", errUneasy, r.k.Len(), r.servers(), r.k.Ideal()))
}

// errUneasy says that progress comes to nothing, errWrong that a lookup does.
var (
	errUneasy = errors.New("no ideal ring though nothing happens")
	errWrong  = errors.New("a lookup in an ideal ring finds the wrong node")
	errLost   = errors.New("a record is not found in an ideal ring")
)

// failure is one of the network and not of a node.
func (r *ringSoak) failure(err error) error {
	return &Failure{Seed: r.cfg.Seed, Event: r.w.Events(), At: r.w.Now(), Node: "the ring", Err: err}
}

// verify has random nodes of a ring that has become ideal look up keys, and find
// a record that another one has just put there. Before that passes the time for
// which somebody may still hold another one for dead, and pass him over.
func (r *ringSoak) verify() error {
	if err := r.w.RunFor(patience + doubtFor); err != nil {
		return err
	}
	for i := range 4 {
		n, key := r.insider(), r.key()
		if n == nil {
			return nil
		}
		query := overlay.Query(overlay.FindClosest{Key: key})
		if i == 0 {
			query = overlay.Provide{Key: key}
		}
		o, err := r.w.Query(n, query)
		if err != nil {
			return err
		}
		alone := errors.Is(o.Err, overlay.ErrNoPeers) && r.k.Len() == 1
		if c := o.Result.Path.Closest; !alone && (len(c) == 0 || c[0].ID != r.k.Owner(key.ID())) {
			return r.failure(errors.Join(fmt.Errorf("%w: key %s from %s", errWrong, key.ID().Short(), n), o.Err))
		}
		if i > 0 || alone {
			continue
		}
		by := r.insider()
		if o, err = r.w.Query(by, overlay.FindProviders{Key: key}); err != nil {
			return err
		}
		if !slices.ContainsFunc(o.Found, func(c overlay.Contact) bool { return c.ID == n.Contact.ID }) {
			return r.failure(fmt.Errorf("%w: key %s of %s, asked from %s", errLost, key.ID().Short(), n, by))
		}
		r.res.Found++
	}
	return nil
}

// servers is how many nodes ought to be in the ring.
func (r *ringSoak) servers() (n int) {
	for _, c := range r.w.live.list {
		if x := r.w.nodeOf(c); x.Server && x.Alive() && !r.leaving[x] {
			n++
		}
	}
	return n
}

// insider is a random member, nil if there is none.
func (r *ringSoak) insider() *Node {
	for range 64 {
		if n := r.w.honest(r.rng); n != nil && r.member[n] && !r.leaving[n] {
			return n
		}
	}
	return nil
}
