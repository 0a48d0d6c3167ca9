package sim

import (
	"slices"
	"time"
)

// StretchConfig is an experiment on a network that does not change and whose
// nodes are at places (a Latency like [Space]): how much longer does a lookup
// take than the round trip to the node that it finds? As for [Hops], upkeep must
// be turned off.
type StretchConfig struct {
	Settings
	// Nodes is the size of the network: 2 to MaxNodes.
	Nodes int
	// Lookups of random keys from random nodes. 0 means 1,000. Those that find the
	// asker itself are not counted, and replaced by others.
	Lookups int
}

// Validate reports the first field that cannot be used.
func (c StretchConfig) Validate() error {
	if err := firstError(c.Settings.Validate(), count("Nodes", c.Nodes, MaxNodes), count("Lookups", max(1, c.Lookups), 1<<30)); err != nil {
		return err
	}
	if _, placed := c.Latency.(seeded); !placed {
		return invalid("Latency", "is the same for any two nodes")
	}
	if c.Nodes < 2 {
		return invalid("Nodes", "is %d, must be at least 2", c.Nodes)
	}
	return nil
}

// StretchResult is what [Stretch] measured.
type StretchResult struct {
	Overlay string `json:"overlay"`
	Nodes   int    `json:"n"`
	Seed    uint64 `json:"seed"`
	Tally
	// The stretch of a lookup is its time over the round trip between the asker
	// and the node that it found (Stoica et al. 2003, section VI-F).
	MeanStretch float64 `json:"mean_stretch"`
	P10Stretch  float64 `json:"p10_stretch"`
	P50Stretch  float64 `json:"p50_stretch"`
	P90Stretch  float64 `json:"p90_stretch"`
	EntriesMean float64 `json:"entries_mean"`
	Seconds     float64 `json:"seconds"`
	PeakMiB     float64 `json:"peak_mib"`
	Digest      uint64  `json:"digest"`
	// Stretches are those of all lookups that did not fail, ascending.
	Stretches []float64 `json:"-"`
}

// Stretch runs the experiment.
func Stretch(c StretchConfig) (StretchResult, error) {
	if err := c.Validate(); err != nil {
		return StretchResult{}, err
	}
	if c.Lookups == 0 {
		c.Lookups = 1000
	}
	began := time.Now()
	r := StretchResult{Overlay: c.Overlay.Name(), Nodes: c.Nodes, Seed: c.Seed}
	w, err := New(c.Settings)
	if err != nil {
		return r, err
	}
	if err := w.Populate(c.Nodes, false); err != nil {
		return r, err
	}
	r.EntriesMean, _ = w.entries(200)
	var t tally
	rng := newRand(c.Seed, streamScenario)
	for t.lookups < c.Lookups {
		asker, key := w.honest(rng), randomKey(rng)
		owner := c.Overlay.Responsible(w.live, key.ID(), 1)[0]
		if owner.ID == asker.Contact.ID {
			continue
		}
		o, err := w.Lookup(asker, key)
		if err != nil {
			return r, err
		}
		j := w.judge(asker, key.ID(), &o)
		if t.add(j); j.right {
			r.Stretches = append(r.Stretches, float64(o.Took)/float64(w.rtt(asker.Contact, owner)))
		}
		if err := w.settle(); err != nil { // late answers are the past's
			return r, err
		}
	}
	r.sum()
	r.Tally, r.Digest, r.PeakMiB = t.sum(), w.Digest(), PeakMiB()
	r.Seconds = time.Since(began).Seconds()
	return r, nil
}

// sum works out the figures.
func (r *StretchResult) sum() {
	if len(r.Stretches) == 0 {
		return
	}
	slices.Sort(r.Stretches)
	for _, s := range r.Stretches {
		r.MeanStretch += s / float64(len(r.Stretches))
	}
	r.P10Stretch = percentile(r.Stretches, 10)
	r.P50Stretch = percentile(r.Stretches, 50)
	r.P90Stretch = percentile(r.Stretches, 90)
}
