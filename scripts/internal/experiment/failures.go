package experiment

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"ringswap/chord"
	"ringswap/internal/sim"
	"ringswap/scripts/internal/figure"
)

// Failures measures lookups right after a share of the nodes failed at once,
// before anybody noticed: table II of Chord's paper.
type Failures struct {
	nodes, lookups, networks int
	seed                     uint64
}

// The published setting, and how near the paper our numbers have to be up to
// which share of failed nodes.
const (
	paperNodes      = 1000
	paperSuccessors = 20
	failuresWithin  = 5.0 // per cent
	failuresUpTo    = .3
)

// About implements figure.Program.
func (*Failures) About() figure.About {
	return figure.About{
		Name: "failures",
		Summary: "failures measures lookups after a share of the nodes failed at once, before anybody noticed:\n" +
			"nodes asked on the way, and requests to failed ones. Every lookup finds the tables as they were.",
		Examples: [][2]string{
			{"failures", "the published setting, 1,000 nodes, and what ships beside it"},
			{"failures --lookups 100000 --networks 100", "less left to chance"},
			{"failures --nodes 200 --lookups 500 --networks 2 --json", "a smaller network, for programs"},
		},
	}
}

// Flags implements figure.Program.
func (f *Failures) Flags(fs *flag.FlagSet) {
	fs.IntVar(&f.nodes, "nodes", paperNodes, "`number` of nodes before the failure")
	fs.IntVar(&f.lookups, "lookups", 10_000, "`number` of lookups at each point, all networks together")
	fs.IntVar(&f.networks, "networks", 10, "`number` of networks, each with other IDs and other failed nodes")
	fs.Uint64Var(&f.seed, "seed", 1, "everything left to chance follows from it")
}

// Validate implements figure.Program.
func (f *Failures) Validate() error {
	for _, err := range []error{
		within("nodes", f.nodes, 50, 1_000_000),
		within("networks", f.networks, 1, 10_000),
		within("lookups", f.lookups, f.networks, 100_000_000),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// quiet turns off all that Chord does by itself, for networks that do not
// change.
func quiet(cfg *chord.Config) {
	cfg.Ring.Stabilize, cfg.Ring.SelfLookup, cfg.Ring.Remember = -time.Second, -1, -1
	cfg.Fingers.Refresh, cfg.Limits.PerPeer = -1, -1
}

// publishedChord is Chord as the papers have it: whoever is asked for the way
// gives all that it knows of it, since there it is the node itself that goes
// through its table until somebody answers.
func publishedChord() chord.Config {
	var cfg chord.Config
	chord.Published(&cfg)
	cfg.Lookup.Answer, cfg.Copies = paperSuccessors, paperSuccessors
	return cfg
}

// overlays are what is compared: Chord as published and as it ships. The latter
// is there for orientation, with a fifth of the lookups.
func (f *Failures) overlays() []failing {
	old, ours := publishedChord(), chord.Config{}
	quiet(&old)
	quiet(&ours)
	return []failing{
		{name: "as published", label: "Chord as published", color: figure.Green, side: figure.Above, network: sim.Chord{Config: old}, lookups: f.lookups},
		{
			name: "as shipped", label: "Chord as shipped", color: figure.Blue, side: figure.Below, network: sim.Chord{Config: ours},
			lookups: max(f.networks, f.lookups/5),
		},
	}
}

// failing is an overlay and what became of its lookups at each share of failed
// nodes.
type failing struct {
	name, label string
	color       figure.Color
	side        figure.Side // of the label
	network     sim.Overlay
	lookups     int
	found       []failed
}

// failed sums up the lookups at one point, each mean weighted with its lookups.
type failed struct {
	lookups, failed       int
	path, timeouts, state float64
}

// Run implements figure.Program.
func (f *Failures) Run(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	all := f.overlays()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i := range all {
		a := &all[i]
		a.found = make([]failed, len(chordFailures))
		for k, p := range chordFailures {
			group.Go(func() error {
				if err := f.measure(ctx, a, p.share, &a.found[k]); err != nil {
					return err
				}
				r := a.found[k]
				fmt.Fprintf(progress, "%s, %.0f %% failed: %.2f nodes asked, %.2f timeouts, %d of %d lookups failed\n",
					a.label, 100*p.share, r.path, r.timeouts, r.failed, r.lookups)
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return f.report(all), nil
}

// measure runs the lookups of one point.
func (f *Failures) measure(ctx context.Context, a *failing, share float64, sum *failed) error {
	for i := range f.networks {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := a.lookups*(i+1)/f.networks - a.lookups*i/f.networks
		r, err := sim.Hops(sim.HopsConfig{
			Settings: sim.Settings{Overlay: a.network, Seed: f.seed<<16 + uint64(i)},
			Nodes:    f.nodes, Lookups: n, Dead: share, Fresh: true, Sampled: 100,
		})
		if err != nil {
			return err
		}
		part := float64(n) / float64(a.lookups)
		sum.lookups, sum.failed = sum.lookups+r.Lookups, sum.failed+r.Failed
		sum.path += part * r.MeanAnswered
		sum.timeouts += part * r.MeanDead
		sum.state += part * r.EntriesMean
	}
	return nil
}

func (f *Failures) report(all []failing) *figure.Report {
	t := &figure.Table{Name: "failures", Title: "Lookups after simultaneous failures", Columns: []figure.Column{
		{Name: "overlay"},
		{Name: "setting", Head: "tables"},
		{Name: "failed_share", Head: "failed nodes", Digits: 1},
		{Name: "lookups"},
		{Name: "failed"},
		{Name: "path", Head: "live nodes asked", Digits: 2},
		{Name: "published_path", Head: "published", Digits: 2},
		{Name: "timeouts", Digits: 2},
		{Name: "published_timeouts", Head: "published", Digits: 2},
		{Name: "entries_mean", Head: "entries", Digits: 1},
	}}
	report := &figure.Report{
		Title: "Simultaneous failures (table II)", Tables: []*figure.Table{t}, Charts: []*figure.Chart{f.chart(all)},
	}
	for i, a := range all {
		for k, p := range chordFailures {
			r := a.found[k]
			var path, timeouts any
			if i == 0 && f.nodes == paperNodes {
				path, timeouts = p.path, p.timeouts
			}
			t.Add(a.network.Name(), a.name, p.share, r.lookups, r.failed, r.path, path, r.timeouts, timeouts, r.state)
		}
	}
	if f.nodes == paperNodes {
		report.Bounds = failureBounds(all)
	}
	report.Text = []string{
		fmt.Sprintf("A share of the nodes falls silent, and every lookup finds the tables as they were before: nobody has noticed yet. As in the paper, "+
			"a path counts the live nodes that were asked, the responsible one included, and a timeout is a failed node that was asked. The lists of %d "+
			"successors end a path early, so that without failures ½ log₂ N - ½ log₂ r + 1 = %.2f remain.",
			paperSuccessors, routeWithList(float64(f.nodes), paperSuccessors)),
		"The dashed line is what chance alone makes of the published paths: each live node is preceded by p/(1-p) failed ones in the mean. The paper's " +
			"own timeouts lie above it at small p (one network, 0.60 where the formula has 0.45), ours follow it. \"As shipped\" are the defaults, whose " +
			"tables hold every one of so few nodes: that is what the shorter way costs.",
	}
	return report
}

// failureBounds compares the published setting with the paper.
func failureBounds(all []failing) []figure.Bound {
	off, over := 0.0, math.Inf(-1)
	for k, p := range chordFailures {
		r := all[0].found[k]
		if p.share > failuresUpTo {
			continue
		}
		off = max(off, 100*math.Abs(r.path/p.path-1))
		if p.timeouts > 0 {
			over = max(over, 100*(r.timeouts/p.timeouts-1))
		}
	}
	most := 0
	for _, r := range all[0].found {
		most = max(most, r.failed)
	}
	upTo := fmt.Sprintf("up to %.0f %% failed", 100*failuresUpTo)
	return []figure.Bound{
		{What: "path, off the paper's by, " + upTo, Ours: off, Limit: failuresWithin, Unit: "%", Digits: 1},
		{What: "timeouts, above the paper's by, " + upTo, Ours: over, Limit: failuresWithin, Unit: "%", Digits: 1},
		{What: fmt.Sprintf("failed lookups of %s, any share", figure.Number(float64(all[0].found[0].lookups))), Ours: float64(most), Limit: 0, Others: "0"},
	}
}

func (f *Failures) chart(all []failing) *figure.Chart {
	x := figure.Axis{Label: "share of nodes that failed", Min: -.015, Max: .515, Format: figure.Percent}
	for _, p := range chordFailures {
		x.Ticks = append(x.Ticks, p.share)
	}
	paths := figure.Panel{Title: "The way", X: x, Y: figure.Axis{Label: "live nodes asked in the mean", Min: 0, Max: 6.2}}
	times := figure.Panel{Title: "Timeouts", X: x, Y: figure.Axis{Label: "requests to failed nodes in the mean", Min: 0, Max: 6.2}}
	var paper, lost, formula []figure.Point
	for _, p := range chordFailures {
		paper = append(paper, figure.Point{X: p.share, Y: p.path})
		lost = append(lost, figure.Point{X: p.share, Y: p.timeouts})
		formula = append(formula, figure.Point{X: p.share, Y: p.path * p.share / (1 - p.share)})
	}
	times.Series = append(times.Series, figure.Series{Kind: figure.Theory, Color: figure.Grey, Points: formula, Side: figure.Nowhere})
	for _, a := range all {
		way := figure.Series{Label: a.label, Color: a.color, Side: a.side, At: 2}
		time := figure.Series{Color: a.color, Side: figure.Nowhere}
		for k, p := range chordFailures {
			way.Points = append(way.Points, figure.Point{X: p.share, Y: a.found[k].path})
			time.Points = append(time.Points, figure.Point{X: p.share, Y: a.found[k].timeouts})
		}
		paths.Series, times.Series = append(paths.Series, way), append(times.Series, time)
	}
	if f.nodes == paperNodes {
		paths.Series = append(paths.Series, figure.Series{Kind: figure.Paper, Color: figure.Ink, Points: paper, Side: figure.Nowhere})
		times.Series = append(times.Series, figure.Series{Kind: figure.Paper, Color: figure.Ink, Points: lost, Side: figure.Nowhere})
	}
	return &figure.Chart{
		Name: "failures", Title: "Half of the nodes fail at once, and lookups arrive",
		Subtitle: "Lookups right after the failure, with every table as it was before",
		Caption: fmt.Sprintf("%s nodes, %s lookups at each point in %d networks, seed %d. Published: Stoica et al. 2003, table II. Formula: the published path times p/(1-p).",
			figure.Number(float64(f.nodes)), figure.Number(float64(f.lookups)), f.networks, f.seed),
		Panels: []figure.Panel{paths, times},
	}
}
