package sim

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// HopsConfig is an experiment on a network that does not change: how many hops
// does a lookup take? Upkeep of the machines must be turned off in the overlay's
// configuration, since no time passes for nodes that nobody asks (see
// [World.Populate]).
type HopsConfig struct {
	Settings
	// Nodes is the size of the network: 1 to MaxNodes.
	Nodes int
	// Lookups of random keys from random nodes. 0 means 1,000.
	Lookups int
	// Dead is the share of nodes that fail at once before the first lookup, with
	// nobody noticing: 0 to 1 exclusive.
	Dead float64
	// Fresh has every lookup find all tables as they were at first: what machines
	// learned from earlier ones is forgotten. Otherwise they keep it for as long as
	// they stay in memory (Settings.Machines).
	Fresh bool
	// Malicious is the share of nodes that lie, as Malice says; lookups come from
	// the others. 0 to 1 exclusive. A Malice of 0 means Deceive.
	Malicious float64
	Malice    Malice
	// Sampled is the number of nodes whose tables are counted. 0 means 1,000.
	Sampled int
	// Lanes is the number of copies of the network, each of which makes its share
	// of the lookups, on as many cores as there are. It is part of what is
	// simulated: what one lane's machines learn the others' do not. 0 means 1.
	Lanes int
}

func (c HopsConfig) withDefaults() HopsConfig {
	if c.Lookups == 0 {
		c.Lookups = 1000
	}
	if c.Malice == 0 {
		c.Malice = Deceive
	}
	if c.Sampled == 0 {
		c.Sampled = 1000
	}
	if c.Lanes == 0 {
		c.Lanes = 1
	}
	return c
}

// Validate reports the first field that cannot be used.
func (c HopsConfig) Validate() error {
	c = c.withDefaults()
	return firstError(
		c.Settings.Validate(),
		count("Nodes", c.Nodes, MaxNodes),
		count("Lookups", c.Lookups, 1<<30),
		count("Sampled", c.Sampled, 1<<30),
		count("Lanes", c.Lanes, 1<<10),
		share("Dead", c.Dead),
		share("Malicious", c.Malicious),
	)
}

// HopsResult is what [Hops] measured.
type HopsResult struct {
	Overlay string `json:"overlay"`
	Nodes   int    `json:"n"`
	Seed    uint64 `json:"seed"`
	Killed  int    `json:"killed"`
	Liars   int    `json:"liars"`
	Tally
	// Entries are the contacts that a node routes by.
	EntriesMean float64 `json:"entries_mean"`
	EntriesMax  int     `json:"entries_max"`
	// BuildSeconds is how long the network took to make, Seconds the whole run,
	// by the clock on the wall.
	BuildSeconds float64 `json:"build_seconds"`
	Seconds      float64 `json:"seconds"`
	// PeakMiB is the most memory that the process has had so far.
	PeakMiB float64 `json:"peak_mib"`
	// Digest is the same for two runs in which the same happened.
	Digest uint64 `json:"digest"`
}

// Hops runs the experiment.
func Hops(c HopsConfig) (HopsResult, error) {
	if err := c.Validate(); err != nil {
		return HopsResult{}, err
	}
	c = c.withDefaults()
	began := time.Now()
	r := HopsResult{Overlay: c.Overlay.Name(), Nodes: c.Nodes, Seed: c.Seed}
	w, err := New(c.Settings)
	if err != nil {
		return r, err
	}
	if err := w.Populate(c.Nodes, false); err != nil {
		return r, err
	}
	r.BuildSeconds = time.Since(began).Seconds()
	r.EntriesMean, r.EntriesMax = w.entries(c.Sampled)
	lanes := []*World{w}
	for len(lanes) < c.Lanes {
		twin, err := New(c.Settings)
		if err != nil {
			return r, err
		}
		twin.inhabit(w.all)
		lanes = append(lanes, twin)
	}
	for _, l := range lanes { // the same happens to all
		if c.Dead > 0 {
			r.Killed = l.KillShare(c.Dead)
		}
		if c.Malicious > 0 {
			if r.Liars, err = l.Corrupt(c.Malicious, c.Malice); err != nil {
				return r, err
			}
		}
	}
	if r.Tally, err = c.measure(lanes); err != nil {
		return r, err
	}
	r.Digest = lanes[0].Digest()
	for _, l := range lanes[1:] {
		r.Digest = mix(r.Digest, l.Digest())
	}
	r.PeakMiB = PeakMiB()
	r.Seconds = time.Since(began).Seconds()
	return r, nil
}

// measure runs the lookups, each lane's one after the other.
func (c HopsConfig) measure(lanes []*World) (Tally, error) {
	judgements, errs := make([][]judged, len(lanes)), make([]error, len(lanes))
	var wait sync.WaitGroup
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, l := range lanes {
		wait.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			rng := newRand(c.Seed, streamScenario)
			if i > 0 {
				rng = newRand(c.Seed, streamLane, uint64(i))
			}
			n := c.Lookups*(i+1)/len(lanes) - c.Lookups*i/len(lanes)
			errs[i] = l.measure(rng, n, c.Fresh, func(j judged) { judgements[i] = append(judgements[i], j) })
		})
	}
	wait.Wait()
	var t tally
	for _, lane := range judgements {
		for _, j := range lane {
			t.add(j)
		}
	}
	return t.sum(), firstError(errs...)
}

// measure runs lookups one after the other, from random honest nodes.
func (w *World) measure(rng *rand.Rand, lookups int, fresh bool, add func(judged)) error {
	for range lookups {
		asker := w.honest(rng)
		if asker == nil {
			return errNobody
		}
		key := randomKey(rng)
		o, err := w.Lookup(asker, key)
		if err != nil {
			return err
		}
		add(w.judge(asker, key.ID(), &o))
		// What is still on its way belongs to the past by the next lookup.
		if err := w.settle(); err != nil {
			return err
		}
		if fresh {
			w.Forget()
		}
	}
	return nil
}
