package experiment

import (
	"context"
	"flag"
	"fmt"
	"io"

	"ringswap/internal/sim/swarm"
	"ringswap/scripts/internal/figure"
)

// Swarm lets simulated peers share a file under every rule for serving, or
// attacks one rule in every way there is.
type Swarm struct {
	peers, takers, runs int
	attacks, steady     bool
	seed                uint64
}

// About implements figure.Program.
func (*Swarm) About() figure.About {
	return figure.About{
		Name: "swarm",
		Summary: "swarm lets simulated peers share a file: 20 Mbit/s up and 160 down each, one seed of 40 up.\n" +
			"Givers play by the rules; takers do not, and all of them want the file.",
		Examples: [][2]string{
			{"swarm", "eight peers, three of them free riders, under every rule"},
			{"swarm --attacks --peers 60", "each way to cheat, by three tenths of the peers (minutes)"},
			{"swarm --attacks --runs 5", "the same with eight peers, means of five seeds"},
			{"swarm --steady --peers 60", "peers come one by one, three tenths free riders"},
			{"swarm --json", "the same for programs"},
			{"swarm --out /tmp/figures", "also as CSV, SVG and PNG"},
		},
	}
}

// Flags implements figure.Program.
func (s *Swarm) Flags(fs *flag.FlagSet) {
	fs.IntVar(&s.peers, "peers", 8, "`number` of peers beside the seed")
	fs.IntVar(&s.takers, "takers", -1, "`number` of them that take only; -1: three tenths, 3 of 8")
	fs.IntVar(&s.runs, "runs", 0, "`number` of runs, each with another seed, of which the mean is shown; 0: 5, and 1 with --attacks")
	fs.BoolVar(&s.attacks, "attacks", false, "compare ways to cheat under the rule that is used")
	fs.BoolVar(&s.steady, "steady", false, "let peers come one by one; one run")
	fs.Uint64Var(&s.seed, "seed", 1, "everything follows from it")
}

// Validate implements figure.Program.
func (s *Swarm) Validate() error {
	if s.takers < 0 {
		s.takers = (3*s.peers + 9) / 10
	}
	switch {
	case s.runs != 0:
	case s.attacks:
		s.runs = 1
	default:
		s.runs = 5
	}
	for _, err := range []error{
		within("peers", s.peers, 2, 2000), within("takers", s.takers, 0, s.peers-1), within("runs", s.runs, 1, 1000),
	} {
		if err != nil {
			return err
		}
	}
	if s.attacks && s.steady {
		return fmt.Errorf("--attacks and --steady are two things to measure")
	}
	return nil
}

// swarmRow is the mean of some runs.
type swarmRow struct {
	bound, giversMean, giversLast, takersMean, leaked, jain, wasted float64
	giversDone, takersDone                                          float64
	most                                                            float64 // MiB
}

// Run implements figure.Program.
func (s *Swarm) Run(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	switch {
	case s.attacks:
		return s.runAttacks(ctx, progress)
	case s.steady:
		return s.runSteady(ctx)
	}
	return s.runRules(ctx, progress)
}

// mean runs what make says with s.runs seeds, or fewer.
func (s *Swarm) mean(ctx context.Context, runs int, makeRun func(seed uint64) swarm.Config) (swarmRow, error) {
	var m swarmRow
	for i := range runs {
		if err := ctx.Err(); err != nil {
			return m, err
		}
		r, err := swarm.Run(makeRun(s.seed + uint64(i)))
		if err != nil {
			return m, err
		}
		g, t, k := r.Group(swarm.Givers), r.Group(swarm.Takers), float64(runs)
		m.giversMean += g.Mean / k
		m.giversLast += g.Last / k
		m.takersMean += t.Mean / k
		m.leaked += r.Leaked / k
		m.jain += r.Jain / k
		m.wasted += r.Wasted / k
		m.giversDone += float64(g.Done) / float64(max(g.Nodes, 1)) / k
		m.takersDone += float64(t.Done) / float64(max(t.Nodes, 1)) / k
		m.most = max(m.most, float64(t.Most)/(1<<20))
	}
	return m, nil
}

func swarmTable(name, title, first string) *figure.Table {
	return &figure.Table{Name: name, Title: title, Columns: []figure.Column{
		{Name: first},
		{Name: "givers_done", Head: "givers done", Digits: 2},
		{Name: "givers_mean_s", Head: "givers' mean s", Digits: 2},
		{Name: "givers_last_s", Head: "last s", Digits: 2},
		{Name: "givers_of_bound", Head: "mean / bound", Digits: 2},
		{Name: "takers_done", Head: "takers done", Digits: 2},
		{Name: "takers_mean_s", Head: "takers' mean s", Digits: 2},
		{Name: "takers_of_givers", Head: "takers / givers", Digits: 2},
		{Name: "takers_most_mib", Head: "most MiB", Digits: 1},
		{Name: "to_takers", Head: "% to takers", Digits: 1},
		{Name: "jain", Head: "Jain", Digits: 3},
		{Name: "wasted", Head: "% wasted", Digits: 1},
	}}
}

func (m swarmRow) addTo(t *figure.Table, what string) {
	var ratio any
	if m.takersMean > 0 {
		ratio = m.takersMean / m.giversMean
	}
	t.Add(what, m.giversDone, m.giversMean, m.giversLast, m.giversMean/m.bound, m.takersDone, m.takersMean, ratio, m.most, 100*m.leaked, m.jain, 100*m.wasted)
}

// boundOf is the least time in which the givers of a crowd could be done if there
// were nobody else.
func boundOf(c swarm.Config, givers int) float64 {
	return swarm.Bound(c.Size, givers, swarm.SeedUp, swarm.LeecherUp, swarm.Down).Seconds()
}

// runRules compares the rules, without takers and with free riders.
func (s *Swarm) runRules(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	honest := swarmTable("swarm-honest", fmt.Sprintf("%d peers, all of them givers", s.peers), "rule")
	mixed := swarmTable("swarm-free-riders", fmt.Sprintf("%d peers, %d of them free riders", s.peers, s.takers), "rule")
	var h, m swarmRow
	for _, rule := range swarm.Rules() {
		fmt.Fprintln(progress, rule.Name)
		var err error
		if h, err = s.mean(ctx, s.runs, func(seed uint64) swarm.Config {
			return swarm.Crowd(rule, s.peers, 0, swarm.Strategy{}, seed)
		}); err != nil {
			return nil, err
		}
		c := swarm.Crowd(rule, s.peers, 0, swarm.Strategy{}, 0)
		h.bound = boundOf(c, s.peers)
		h.addTo(honest, rule.Name)
		if m, err = s.mean(ctx, s.runs, func(seed uint64) swarm.Config {
			return swarm.Crowd(rule, s.peers, s.takers, swarm.Attacks()[0], seed)
		}); err != nil {
			return nil, err
		}
		m.bound = boundOf(c, s.peers-s.takers)
		m.addTo(mixed, rule.Name)
	}
	r := &figure.Report{Title: "Rules for serving", Tables: []*figure.Table{honest, mixed}, Bounds: []figure.Bound{
		{What: "no takers: last one / bound", Ours: h.giversLast / h.bound, Limit: 1.12, Digits: 2, Others: "libtorrent 1.28-1.45"},
		{What: "no takers: Jain index of received / sent", Ours: h.jain, Limit: .95, AtLeast: true, Digits: 3},
	}}
	if s.takers > 0 {
		r.Bounds = append(r.Bounds,
			figure.Bound{What: "free riders: givers' mean / their own bound", Ours: m.giversMean / m.bound, Limit: 1.20, Digits: 2, Others: "libtorrent 2.1-2.35"},
			figure.Bound{What: "free riders: bytes to them until the last giver is done", Ours: 100 * m.leaked, Limit: 5, Digits: 1, Unit: "%", Others: "about 37 %"},
			figure.Bound{What: "free riders: their mean / givers' mean", Ours: m.takersMean / m.giversMean, Limit: 1.45, AtLeast: true, Digits: 2, Others: "0.81-1.03"})
	}
	return r, nil
}

// runAttacks lets three tenths of the peers play each strategy.
func (s *Swarm) runAttacks(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	rules := swarm.Rules()
	rule := rules[len(rules)-1]
	t := swarmTable("swarm-attacks", fmt.Sprintf("%d peers, %d of them takers", s.peers, s.takers), "strategy")
	add := func(name string, n, takers int, a swarm.Strategy) (swarmRow, error) {
		fmt.Fprintln(progress, name)
		m, err := s.mean(ctx, s.runs, func(seed uint64) swarm.Config { return swarm.Crowd(rule, n, takers, a, seed) })
		m.bound = boundOf(swarm.Crowd(rule, n, takers, a, 0), n-takers)
		m.addTo(t, name)
		return m, err
	}
	all, err := add("all honest", s.peers, 0, swarm.Strategy{})
	if err != nil {
		return nil, err
	}
	alone, err := add("givers alone", s.peers-s.takers, 0, swarm.Strategy{})
	if err != nil {
		return nil, err
	}
	r := &figure.Report{Title: "Ways to cheat", Tables: []*figure.Table{t}}
	for _, a := range swarm.Attacks() {
		m, err := add(a.Name, s.peers, s.takers, a)
		if err != nil {
			return nil, err
		}
		r.Bounds = append(r.Bounds,
			figure.Bound{What: a.Name + ": givers' mean / alone", Ours: m.giversMean / alone.giversMean, Limit: 1.10, Digits: 2},
			figure.Bound{What: a.Name + ": takers' mean / if they were honest", Ours: m.takersMean / all.giversMean, Limit: .9, AtLeast: true, Digits: 2})
	}
	return r, nil
}

// runSteady lets peers come one by one, and then a crowd lose its seed.
func (s *Swarm) runSteady(ctx context.Context) (*figure.Report, error) {
	rules := swarm.Rules()
	rule, rider := rules[len(rules)-1], swarm.Attacks()[0]
	t := swarmTable("swarm-steady", "Free riders where peers come and go", "scenario")
	m, err := s.mean(ctx, 1, func(seed uint64) swarm.Config { return swarm.Steady(rule, s.peers, rider, seed) })
	if err != nil {
		return nil, err
	}
	c := swarm.Steady(rule, s.peers, rider, 0)
	m.bound = boundOf(c, s.peers)
	m.addTo(t, "one by one")
	o, err := s.mean(ctx, 1, func(seed uint64) swarm.Config { return swarm.Orphans(rule, 8, 3, rider, seed) })
	if err != nil {
		return nil, err
	}
	o.bound = boundOf(swarm.Orphans(rule, 8, 3, rider, 0), 5)
	o.addTo(t, "8 peers, the seed goes")
	return &figure.Report{Title: "Coming and going", Tables: []*figure.Table{t}, Bounds: []figure.Bound{
		{What: "one by one: free riders' mean / givers' mean", Ours: m.takersMean / m.giversMean, Limit: 5, AtLeast: true, Digits: 1},
		{What: "no seed: the most that a free rider got", Ours: o.most, Limit: 5, Digits: 1, Unit: "MiB"},
	}}, nil
}
