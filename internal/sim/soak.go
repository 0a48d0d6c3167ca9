package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"ringswap/overlay"
)

// SoakConfig is a run of random misfortunes on a small network, in which what an
// overlay promises is checked after every event.
type SoakConfig struct {
	Settings
	// Events is the number of events after which the run ends. 0 means 100,000.
	Events uint64
	// Nodes is about how many run at a time. 0 means 24.
	Nodes int
	// Check replaces the overlay's own check of a machine after every step, for
	// tests of the test. nil means Overlay.Check.
	Check func(m overlay.Machine) error
}

func (c SoakConfig) withDefaults() SoakConfig {
	if c.Events == 0 {
		c.Events = 100_000
	}
	if c.Nodes == 0 {
		c.Nodes = 24
	}
	if c.Check == nil && c.Overlay != nil {
		c.Check = c.Overlay.Check
	}
	return c
}

// Validate reports the first field that cannot be used.
func (c SoakConfig) Validate() error {
	c = c.withDefaults()
	if c.Nodes < 4 || c.Nodes > 1<<12 {
		return invalid("Nodes", "is %d, must be 4 to %d", c.Nodes, 1<<12)
	}
	return c.Settings.Validate()
}

// SoakResult is what a soak came through.
type SoakResult struct {
	Overlay string `json:"overlay"`
	Seed    uint64 `json:"seed"`
	Events  uint64 `json:"events"`
	// Checks is the number of steps after which the machine was checked.
	Checks   uint64  `json:"checks"`
	Joins    int     `json:"joins"`
	Leaves   int     `json:"leaves"`
	Kills    int     `json:"kills"`
	Restarts int     `json:"restarts"`
	Cuts     int     `json:"cuts"`
	Lookups  int     `json:"lookups"`
	Virtual  string  `json:"virtual"`
	Seconds  float64 `json:"seconds"`
	Digest   uint64  `json:"digest"`
}

// soak is a running one.
type soak struct {
	cfg SoakConfig
	w   *World
	rng *rand.Rand
	res SoakResult
	cut bool
}

// Soak runs until its events are used up or a check fails, which returns a
// [Failure].
func Soak(cfg SoakConfig) (SoakResult, error) {
	if err := cfg.Validate(); err != nil {
		return SoakResult{}, err
	}
	cfg = cfg.withDefaults()
	began := time.Now()
	w, err := New(cfg.Settings)
	if err != nil {
		return SoakResult{}, err
	}
	s := &soak{cfg: cfg, w: w, rng: newRand(cfg.Seed, streamChurn)}
	s.res = SoakResult{Overlay: cfg.Overlay.Name(), Seed: cfg.Seed}
	w.After = func(n *Node) error {
		m := n.Machine()
		if m == nil {
			return nil
		}
		s.res.Checks++
		return cfg.Check(m)
	}
	for range cfg.Nodes / 2 {
		s.join()
	}
	for err == nil && w.Events < cfg.Events {
		s.misfortune()
		err = w.RunFor(time.Duration(s.rng.ExpFloat64() * float64(10*time.Second)))
	}
	s.res.Events, s.res.Virtual, s.res.Digest = w.Events, w.Now().String(), w.Digest()
	s.res.Seconds = time.Since(began).Seconds()
	return s.res, err
}

// misfortune is one of the things that happen to a network.
func (s *soak) misfortune() {
	n := s.w.honest(s.rng)
	crowd := s.w.Live().Len()
	switch p := s.rng.IntN(100); {
	case n == nil || p < 14 && crowd < 2*s.cfg.Nodes || crowd < s.cfg.Nodes/2:
		s.join()
	case p < 20:
		s.w.Leave(n, linger)
		s.res.Leaves++
	case p < 28:
		s.w.Kill(n)
		s.res.Kills++
	case p < 34:
		s.restart()
	case p < 37:
		n.Slow(time.Duration(s.rng.Int64N(int64(2 * time.Second))))
	case p < 40:
		n.Slow(0)
	case p < 42:
		s.divide()
	case p < 46:
		s.w.settings.Loss = s.rng.Float64() / 5
	case p < 56:
		s.w.settings.Loss = 0
	default:
		s.res.Lookups++
		s.w.Start(n, s.query(), nil)
	}
}

func (s *soak) query() overlay.Query {
	key := overlay.RawKey(fmt.Appendf(nil, "key %d", s.rng.IntN(100)))
	switch s.rng.IntN(4) {
	case 0:
		return overlay.Provide{Key: key}
	case 1:
		return overlay.FindProviders{Key: key}
	}
	return overlay.FindClosest{Key: key}
}

func (s *soak) join() {
	via := s.w.honest(s.rng)
	n := s.w.Add(s.rng.IntN(8) > 0 || via == nil)
	s.res.Joins++
	if via != nil {
		s.w.Join(n, via)
	}
}

// restart lets somebody come back who was here before.
func (s *soak) restart() {
	n := s.w.nodes[s.rng.IntN(len(s.w.nodes))]
	via := s.w.honest(s.rng)
	if !n.Alive() && via != nil {
		s.w.Restart(n)
		s.w.Join(n, via)
		s.res.Restarts++
	}
}

// divide cuts the network, or heals it.
func (s *soak) divide() {
	s.cut = !s.cut
	if !s.cut {
		s.w.Heal()
		return
	}
	s.res.Cuts++
	s.w.Cut(func(*Node) uint8 { return uint8(s.rng.IntN(2)) })
}
