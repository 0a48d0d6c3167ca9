package sim

import (
	"fmt"
	"time"

	"ringswap/overlay"
)

// PartitionConfig is an experiment on a network that is cut into halves and
// healed: how long until lookups are right again and every record is found?
type PartitionConfig struct {
	Settings
	// Nodes is the size of the network, 4 or more.
	Nodes int
	// Records are provided before the cut, each by a random node. 0 means 100.
	Records int
	// Cut is how long the halves do not hear each other. 0 means ten minutes.
	Cut time.Duration
	// Probe is the time between two rounds of questions after healing. 0 means
	// ten seconds.
	Probe time.Duration
	// Patience is how long after healing the experiment gives up. 0 means an hour.
	Patience time.Duration
}

func (c PartitionConfig) withDefaults() PartitionConfig {
	if c.Records == 0 {
		c.Records = 100
	}
	if c.Cut == 0 {
		c.Cut = 10 * time.Minute
	}
	if c.Probe == 0 {
		c.Probe = 10 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = time.Hour
	}
	return c
}

// Validate reports the first field that cannot be used.
func (c PartitionConfig) Validate() error {
	c = c.withDefaults()
	if c.Nodes < 4 || c.Nodes > MaxNodes {
		return invalid("Nodes", "is %d, must be 4 to %d", c.Nodes, MaxNodes)
	}
	return firstError(
		c.Settings.Validate(), count("Records", c.Records, 1<<20),
		span("Cut", c.Cut), span("Probe", c.Probe), span("Patience", c.Patience),
	)
}

// PartitionResult is what [Partition] measured.
type PartitionResult struct {
	Overlay string `json:"overlay"`
	Nodes   int    `json:"n"`
	Seed    uint64 `json:"seed"`
	Records int    `json:"records"`
	// WhileCut is how many records a random node found at the end of the cut.
	WhileCut int `json:"while_cut"`
	// Healed says that within Patience every record was found by a random node
	// and as many lookups were right; HealedSeconds is when, after the end of the
	// cut, the first round began in which that was so.
	Healed        bool    `json:"healed"`
	HealedSeconds float64 `json:"healed_seconds"`
	// Found and Right are those of the last round.
	Found   int     `json:"found"`
	Right   int     `json:"right"`
	Seconds float64 `json:"seconds"`
	Digest  uint64  `json:"digest"`
}

// partition is a running experiment.
type partition struct {
	cfg  PartitionConfig
	w    *World
	keys []overlay.Key
	by   []overlay.ID // the provider of each key
}

// Partition runs the experiment.
func Partition(cfg PartitionConfig) (PartitionResult, error) {
	if err := cfg.Validate(); err != nil {
		return PartitionResult{}, err
	}
	cfg = cfg.withDefaults()
	began := time.Now()
	r := PartitionResult{Overlay: cfg.Overlay.Name(), Nodes: cfg.Nodes, Seed: cfg.Seed, Records: cfg.Records}
	w, err := New(cfg.Settings)
	if err != nil {
		return r, err
	}
	if err := w.Populate(cfg.Nodes, true); err != nil {
		return r, err
	}
	p := &partition{cfg: cfg, w: w}
	if err := p.provide(); err != nil {
		return r, err
	}
	if err := p.run(&r); err != nil {
		return r, err
	}
	r.Digest, r.Seconds = w.Digest(), time.Since(began).Seconds()
	return r, nil
}

// provide spreads the records.
func (p *partition) provide() error {
	rng := newRand(p.cfg.Seed, streamScenario, 2)
	for i := range p.cfg.Records {
		n := p.w.honest(rng)
		key := randomKey(rng)
		o, err := p.w.Query(n, overlay.Provide{Key: key})
		if err != nil {
			return err
		}
		if o.Err != nil {
			return fmt.Errorf("sim: record %d is not stored: %w", i, o.Err)
		}
		p.keys, p.by = append(p.keys, key), append(p.by, n.Contact.ID)
	}
	return p.w.RunFor(time.Minute)
}

// run cuts, heals, and asks until everything is found.
func (p *partition) run(r *PartitionResult) error {
	// Halves by number, which says nothing about a node's place.
	p.w.Cut(func(n *Node) uint8 { return uint8(n.Number % 2) })
	if err := p.w.RunFor(p.cfg.Cut); err != nil {
		return err
	}
	var err error
	if r.WhileCut, _, err = p.round(0); err != nil {
		return err
	}
	p.w.Heal()
	healed := p.w.Now()
	for n := uint64(1); p.w.Now()-healed < p.cfg.Patience; n++ {
		start := p.w.Now()
		if r.Found, r.Right, err = p.round(n); err != nil {
			return err
		}
		if r.Found == len(p.keys) && r.Right == len(p.keys) {
			r.Healed, r.HealedSeconds = true, (start - healed).Seconds()
			return nil
		}
		if err := p.w.RunFor(max(0, start+p.cfg.Probe-p.w.Now())); err != nil {
			return err
		}
	}
	return nil
}

// round has a random node search for each record and look up each key, all at
// once.
func (p *partition) round(n uint64) (found, right int, err error) {
	rng := newRand(p.cfg.Seed, streamScenario, 3, n)
	open := 0
	for i, key := range p.keys {
		asker := p.w.honest(rng)
		open += 2
		p.w.Start(asker, overlay.FindProviders{Key: key}, func(o Outcome) {
			open--
			for _, c := range o.Found {
				if c.ID == p.by[i] {
					found++
					break
				}
			}
		})
		p.w.Start(asker, overlay.FindClosest{Key: key}, func(o Outcome) {
			open--
			if p.w.judge(asker, key.ID(), &o).right {
				right++
			}
		})
	}
	_, err = p.w.RunUntil(func() bool { return open == 0 }, maxLookup)
	return found, right, err
}
