package sim

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"ringswap/overlay"
)

// ChurnConfig is an experiment on a network whose nodes come and go while
// lookups are made. Exactly one of Rate and Session is given.
type ChurnConfig struct {
	Settings
	// Nodes is the size of the network, which stays about the same.
	Nodes int
	// Rate is the number of joins, and of departures, in a second: two Poisson
	// processes, as in section VI-D of Chord's paper.
	Rate float64
	// Session is the mean time that a node stays; whoever departs is replaced by a
	// new node at once. Shape is Weibull's k: below 1 most stay briefly and some
	// long. 0 means 1, which is the exponential distribution.
	Session time.Duration
	Shape   float64
	// Silent is the share of departures without a word, 0 to 1.
	Silent float64
	// Warmup passes before anything is counted. 0 means ten minutes.
	Warmup time.Duration
	// Time is what is counted. 0 means an hour.
	Time time.Duration
	// Lookups is the number of lookups in a second, all nodes together. 0 means 1.
	Lookups float64
}

func (c ChurnConfig) withDefaults() ChurnConfig {
	if c.Shape == 0 {
		c.Shape = 1
	}
	if c.Warmup == 0 {
		c.Warmup = 10 * time.Minute
	}
	if c.Time == 0 {
		c.Time = time.Hour
	}
	if c.Lookups == 0 {
		c.Lookups = 1
	}
	return c
}

// Validate reports the first field that cannot be used.
func (c ChurnConfig) Validate() error {
	c = c.withDefaults()
	if (c.Rate == 0) == (c.Session == 0) {
		return invalid("Rate", "is %v and Session is %v, exactly one of them must be given", c.Rate, c.Session)
	}
	if c.Rate == 0 {
		c.Rate = 1
	}
	if c.Session == 0 {
		c.Session = 1
	}
	if !(c.Silent >= 0 && c.Silent <= 1) {
		return invalid("Silent", "is %v, must be 0 to 1", c.Silent)
	}
	return firstError(
		c.Settings.Validate(),
		count("Nodes", c.Nodes, MaxNodes),
		positive("Rate", c.Rate), positive("Shape", c.Shape), positive("Lookups", c.Lookups),
		span("Session", c.Session), span("Warmup", c.Warmup), span("Time", c.Time),
	)
}

// positive reports a number that is not positive.
func positive(field string, v float64) error {
	if !(v > 0) || math.IsInf(v, 0) {
		return invalid(field, "is %v, must be greater than 0", v)
	}
	return nil
}

// ChurnResult is what [Churn] measured.
type ChurnResult struct {
	Overlay string `json:"overlay"`
	Nodes   int    `json:"n"`
	Seed    uint64 `json:"seed"`
	Tally
	// Unfinished lookups belong to askers that departed; they are in no figure.
	Unfinished int `json:"unfinished"`
	Joins      int `json:"joins"`
	Departures int `json:"departures"`
	// What a node sends in a second, lookups of users included. Bytes are 0
	// unless they were to be counted.
	MessagesPerNode float64 `json:"messages_per_node_s"`
	BytesPerNode    float64 `json:"bytes_per_node_s"`
	EntriesMean     float64 `json:"entries_mean"`
	Events          uint64  `json:"events"`
	Seconds         float64 `json:"seconds"`
	PeakMiB         float64 `json:"peak_mib"`
	Digest          uint64  `json:"digest"`
}

// linger is how long a node that leaves with a word still runs.
const linger = time.Second

// churn is a running experiment.
type churn struct {
	cfg  ChurnConfig
	w    *World
	rng  *rand.Rand
	who  *membership
	t    tally
	res  ChurnResult
	over bool
	on   bool // counting
}

// Churn runs the experiment.
func Churn(cfg ChurnConfig) (ChurnResult, error) {
	if err := cfg.Validate(); err != nil {
		return ChurnResult{}, err
	}
	cfg = cfg.withDefaults()
	began := time.Now()
	w, err := New(cfg.Settings)
	if err != nil {
		return ChurnResult{}, err
	}
	c := &churn{cfg: cfg, w: w, rng: newRand(cfg.Seed, streamChurn)}
	c.res = ChurnResult{Overlay: cfg.Overlay.Name(), Nodes: cfg.Nodes, Seed: cfg.Seed}
	if err := w.Populate(cfg.Nodes, true); err != nil {
		return c.res, err
	}
	c.who = newMembership(w)
	c.begin()
	if err := w.RunFor(cfg.Warmup); err != nil {
		return c.res, err
	}
	c.on = true
	messages, bytes := w.Messages(), w.Bytes()
	if err := w.RunFor(cfg.Time); err != nil {
		return c.res, err
	}
	c.over = true
	each := float64(cfg.Nodes) * cfg.Time.Seconds()
	c.res.MessagesPerNode = float64(w.Messages()-messages) / each
	c.res.BytesPerNode = float64(w.Bytes()-bytes) / each
	if err := w.RunFor(time.Minute); err != nil { // the last lookups end
		return c.res, err
	}
	c.res.EntriesMean, _ = w.entries(1000)
	c.res.Tally, c.res.Events, c.res.Digest = c.t.sum(), w.Events(), w.Digest()
	c.res.PeakMiB, c.res.Seconds = PeakMiB(), time.Since(began).Seconds()
	return c.res, nil
}

// begin starts the processes.
func (c *churn) begin() {
	if c.cfg.Rate > 0 {
		c.every(c.cfg.Rate, c.join)
		c.every(c.cfg.Rate, func() { c.depart(c.who.random(c.rng)) })
	} else {
		for _, n := range c.w.nodes {
			c.stay(n)
		}
	}
	c.every(c.cfg.Lookups, c.lookup)
}

// every calls f at random moments, rate times a second in the mean.
func (c *churn) every(rate float64, f func()) {
	c.w.Do(time.Duration(c.rng.ExpFloat64()/rate*float64(time.Second)), func() {
		if !c.over {
			f()
			c.every(rate, f)
		}
	})
}

// stay gives a node its session; when it ends somebody else comes.
func (c *churn) stay(n *Node) {
	k := c.cfg.Shape
	scale := float64(c.cfg.Session) / math.Gamma(1+1/k)
	c.w.Do(time.Duration(scale*math.Pow(c.rng.ExpFloat64(), 1/k)), func() {
		if !c.over {
			c.depart(n)
			c.join()
		}
	})
}

func (c *churn) join() {
	via := c.who.random(c.rng)
	if via == nil {
		return
	}
	c.res.Joins++
	n := c.w.Add(true)
	c.w.Join(n, via)
	if c.cfg.Rate == 0 {
		c.stay(n)
	}
}

func (c *churn) depart(n *Node) {
	if n == nil || !n.Alive() {
		return
	}
	c.res.Departures++
	c.who.leave(n)
	if c.rng.Float64() < c.cfg.Silent {
		c.w.Kill(n)
	} else {
		c.w.Leave(n, linger)
	}
}

func (c *churn) lookup() {
	asker, key := c.who.random(c.rng), randomKey(c.rng)
	if asker == nil {
		return
	}
	counted, start := c.on, c.w.now
	c.w.Start(asker, overlay.FindClosest{Key: key}, func(o Outcome) {
		switch {
		case !counted:
		case o.Died, errors.Is(o.Err, overlay.ErrClosed):
			c.res.Unfinished++
		default:
			c.t.add(c.w.judgeBy(asker, &o, func(owner overlay.ID) bool {
				return c.who.responsible(owner, key.ID(), start, int64(o.At))
			}))
		}
	})
}
