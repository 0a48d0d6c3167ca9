package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"ringswap/kademlia"
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
	if o, ok := c.Overlay.(Chord); ok && o.Config.Ring.Successors == 1 {
		return invalid("Overlay", "has successor lists of one node, of which no failure leaves a live entry")
	}
	return firstError(count("Nodes", c.Nodes, 1<<12), c.Settings.Validate())
}

// SoakResult is what a soak came through.
type SoakResult struct {
	Overlay string `json:"overlay"`
	Seed    uint64 `json:"seed"`
	Events  uint64 `json:"events"`
	// Checks is the number of steps after which the machine was checked.
	Checks   uint64 `json:"checks"`
	Joins    int    `json:"joins"`
	Leaves   int    `json:"leaves"`
	Kills    int    `json:"kills"`
	Restarts int    `json:"restarts"`
	Cuts     int    `json:"cuts"`
	Lookups  int    `json:"lookups"`
	// Of Chord: steps that changed a list, nodes that were taken for dead though
	// they live, failures that did not happen since the theorem does not allow
	// them, messages that were made up, records that were found in an ideal ring,
	// and how often the ring became ideal in a calm.
	Changes    uint64  `json:"changes,omitempty"`
	Suspicions int     `json:"suspicions,omitempty"`
	Spared     int     `json:"spared,omitempty"`
	Forged     int     `json:"forged,omitempty"`
	Found      int     `json:"found,omitempty"`
	Calms      int     `json:"calms,omitempty"`
	Virtual    string  `json:"virtual"`
	Seconds    float64 `json:"seconds"`
	Digest     uint64  `json:"digest"`
}

// CrowdedKademlia is a Kademlia for soaks, whose buckets fill in a network of two
// dozen nodes.
func CrowdedKademlia() Kademlia {
	var cfg kademlia.Config
	cfg.K, cfg.Lookup.Beta = 3, 2
	cfg.Table.Refresh, cfg.Table.Spares, cfg.Table.PingAfter = 2*time.Minute, 2, 10*time.Second
	return Kademlia{Config: cfg}
}

// soak is a running one.
type soak struct {
	cfg SoakConfig
	w   *World
	rng *rand.Rand
	res SoakResult
	cut bool
	// loss is the share of messages that come late, in a soak that loses none;
	// leaving are the nodes that said good-bye and still run.
	loss    float64
	leaving map[*Node]bool
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
	s := &soak{cfg: cfg, w: w, rng: newRand(cfg.Seed, streamChurn), leaving: make(map[*Node]bool)}
	s.res = SoakResult{Overlay: cfg.Overlay.Name(), Seed: cfg.Seed}
	if _, ok := cfg.Overlay.(Chord); ok {
		err = newRingSoak(s).run()
	} else {
		err = s.run()
	}
	s.res.Events, s.res.Virtual, s.res.Digest = w.Events(), w.Now().String(), w.Digest()
	s.res.Seconds = time.Since(began).Seconds()
	return s.res, err
}

// run lets one misfortune follow the other, and each machine's own promises be
// checked after each of its steps.
func (s *soak) run() error {
	s.w.After = func(n *Node) error {
		m := n.Machine()
		if m == nil {
			return nil
		}
		s.res.Checks++
		return s.cfg.Check(m)
	}
	for range s.cfg.Nodes / 2 {
		s.join(s.w.honest(s.rng))
	}
	for s.w.Events() < s.cfg.Events {
		s.misfortune()
		if err := s.w.RunFor(time.Duration(s.rng.ExpFloat64() * float64(10*time.Second))); err != nil {
			return err
		}
	}
	return nil
}

// misfortune is one of the things that happen to a network.
func (s *soak) misfortune() {
	n := s.w.honest(s.rng)
	crowd := s.w.Live().Len()
	switch p := s.rng.IntN(100); {
	case n == nil || p < 14 && crowd < 2*s.cfg.Nodes || crowd < s.cfg.Nodes/2:
		s.join(s.w.honest(s.rng))
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

// join adds a node that enters through another one.
func (s *soak) join(via *Node) *Node {
	n := s.w.Add(s.rng.IntN(8) > 0 || via == nil)
	s.res.Joins++
	if via != nil {
		s.w.Join(n, via)
	}
	return n
}

// restart lets somebody come back who was here before.
func (s *soak) restart() {
	n := s.w.nodes[s.rng.IntN(len(s.w.nodes))]
	via := s.w.honest(s.rng)
	if !n.Alive() && via != nil {
		s.comeBack(n, via)
	}
}

func (s *soak) comeBack(n, via *Node) {
	s.w.Restart(n)
	s.w.Join(n, via)
	s.res.Restarts++
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
