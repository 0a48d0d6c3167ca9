package experiment

import (
	"context"
	"flag"
	"fmt"
	"io"
	"sort"
	"time"

	"golang.org/x/sync/errgroup"

	"ringswap/chord"
	"ringswap/internal/sim"
	"ringswap/scripts/internal/figure"
)

// Stretch measures how much longer a lookup takes than the round trip to the
// node that it finds, among nodes at random places of a cube: table IV of Chord's
// paper.
type Stretch struct {
	nodes, lookups, candidates int
	seed                       uint64
}

// stretchP50 and stretchP90 are the most that recursive lookups may have.
const stretchP50, stretchP90 = 1.5, 2.5

// spaceDelay is the mean delay of a message between two random nodes of the cube.
// It cancels out.
const spaceDelay = 50 * time.Millisecond

// About implements figure.Program.
func (*Stretch) About() figure.About {
	return figure.About{
		Name: "stretch",
		Summary: "stretch measures the time of a lookup over the round trip to the node that it finds,\n" +
			"among nodes at random places of a cube.",
		Examples: [][2]string{
			{"stretch", "the published setting, 2^16 nodes and 16 candidates for each finger, and the defaults beside it"},
			{"stretch --nodes 4096 --lookups 500 --json", "a smaller network, for programs"},
		},
	}
}

// Flags implements figure.Program.
func (s *Stretch) Flags(fs *flag.FlagSet) {
	fs.IntVar(&s.nodes, "nodes", 1<<16, "`number` of nodes")
	fs.IntVar(&s.lookups, "lookups", 1000, "`number` of lookups of each kind")
	fs.IntVar(&s.candidates, "candidates", 16, "`number` of nodes from which the nearest becomes a finger")
	fs.Uint64Var(&s.seed, "seed", 1, "everything left to chance follows from it")
}

// Validate implements figure.Program.
func (s *Stretch) Validate() error {
	for _, err := range []error{
		within("nodes", s.nodes, 16, sim.MaxNodes),
		within("lookups", s.lookups, 1, 10_000_000),
		within("candidates", s.candidates, 1, 64),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// stretched is one kind of lookup, and how it did.
type stretched struct {
	name, label string
	color       figure.Color
	recursive   bool
	config      chord.Config
	paper       float64 // the published median; 0: none
	found       sim.StretchResult
}

// kinds are what is compared.
func (s *Stretch) kinds() []stretched {
	kind := func(name, label string, color figure.Color, recursive bool, paper float64, cfg chord.Config) stretched {
		quiet(&cfg)
		cfg.Fingers.Candidates, cfg.Lookup.Recursive = s.candidates, recursive
		return stretched{name: name, label: label, color: color, recursive: recursive, config: cfg, paper: paper}
	}
	old := publishedChord()
	old.Copies = 0 // a recursive lookup asks for no more than the owner's usual copies
	small := chord.Config{}
	small.Cache.Entries = -1
	return []stretched{
		kind("as published", "as published, iterative", figure.Green, false, chordStretch.iterative, old),
		kind("as published", "as published, recursive", figure.Amber, true, chordStretch.recursive, old),
		kind("base-16 fingers", "base-16 fingers, recursive", figure.Sky, true, 0, small),
		kind("as shipped", "as shipped, iterative", figure.Purple, false, 0, chord.Config{}),
		kind("as shipped", "as shipped, recursive", figure.Blue, true, 0, chord.Config{}),
	}
}

// Run implements figure.Program.
func (s *Stretch) Run(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	all := s.kinds()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i := range all {
		k := &all[i]
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			k.found, err = sim.Stretch(sim.StretchConfig{
				Settings: sim.Settings{
					Overlay: sim.Chord{Config: k.config}, Seed: s.seed, Latency: sim.Space{Mean1: spaceDelay}, Machines: keptMachines,
				},
				Nodes: s.nodes, Lookups: s.lookups,
			})
			fmt.Fprintf(progress, "%s, %s: stretch %.2f in the median, %.2f for nine of ten, %.2f hops, %.0f s\n",
				k.name, k.way(), k.found.P50Stretch, k.found.P90Stretch, k.found.MeanHops, k.found.Seconds)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return s.report(all), nil
}

func (k *stretched) way() string {
	if k.recursive {
		return "recursive"
	}
	return "iterative"
}

func (s *Stretch) report(all []stretched) *figure.Report {
	t := &figure.Table{Name: "stretch", Title: "Latency stretch", Columns: []figure.Column{
		{Name: "setting", Head: "tables"},
		{Name: "lookup"},
		{Name: "n", Head: "nodes"},
		{Name: "lookups"},
		{Name: "failed"},
		{Name: "p10_stretch", Head: "p10", Digits: 2},
		{Name: "p50_stretch", Head: "median", Digits: 2},
		{Name: "p90_stretch", Head: "p90", Digits: 2},
		{Name: "published_p50", Head: "published median", Digits: 1},
		{Name: "mean_hops", Head: "hops", Digits: 2},
		{Name: "entries_mean", Head: "entries", Digits: 1},
	}}
	report := &figure.Report{
		Title: "Latency stretch (table IV)", Tables: []*figure.Table{t}, Charts: []*figure.Chart{s.chart(all)},
		Text: []string{
			fmt.Sprintf("Nodes are at random places of a cube, and a message takes time in proportion to the distance. The stretch is the time of a lookup "+
				"over the round trip between the asker and the node responsible for the key. Each finger is the nearest of %d nodes of its interval. An iterative "+
				"lookup asks each node on the way itself; a recursive one is passed on, and the responsible node answers straight to the asker.", s.candidates),
			"What it costs: the published tables are some 33 contacts a node, base-16 fingers with 32 successors about 80, the defaults up to 1,100, " +
				"learned from the traffic there is. A short way saves more than a near one: with two hops, of which the last one cannot be chosen, " +
				"a recursive lookup is the asker's way to one node, on to the next, and back.",
		},
	}
	for i := range all {
		k := &all[i]
		r := &k.found
		var paper any
		if k.paper > 0 && s.nodes == 1<<16 {
			paper = k.paper
		}
		t.Add(k.name, k.way(), r.Nodes, r.Lookups, r.Failed, r.P10Stretch, r.P50Stretch, r.P90Stretch, paper, r.MeanHops, r.EntriesMean)
	}
	last := &all[len(all)-1].found
	report.Bounds = []figure.Bound{
		{What: "stretch, recursive, median", Ours: last.P50Stretch, Limit: stretchP50, Digits: 2, Others: fmt.Sprint(chordStretch.recursive)},
		{What: "stretch, recursive, 90th percentile", Ours: last.P90Stretch, Limit: stretchP90, Digits: 2},
	}
	return report
}

func (s *Stretch) chart(all []stretched) *figure.Chart {
	const most = 6
	p := figure.Panel{
		X: figure.Axis{Label: "time of the lookup, in round trips to the node that it finds", Min: 1, Max: most, Ticks: []float64{1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6}},
		Y: figure.Axis{Label: "share of lookups that take no longer", Min: 0, Max: 1.02, Ticks: []float64{0, .25, .5, .75, .9, 1}, Format: figure.Percent},
	}
	for i := range all {
		k := &all[i]
		list := k.found.Stretches
		if len(list) == 0 {
			continue
		}
		line := figure.Series{Label: k.label, Kind: figure.Curve, Color: k.color, Side: figure.Right}
		for x := 1.0; x <= most+1e-9; x += .05 {
			y := float64(sort.SearchFloat64s(list, x)) / float64(len(list))
			line.Points = append(line.Points, figure.Point{X: x, Y: y})
		}
		high := []float64{.35, .15, .62, .42, .8}[i] // each name at a height of its own
		line.At = sort.Search(len(line.Points)-1, func(j int) bool { return line.Points[j].Y >= high })
		p.Series = append(p.Series, line)
	}
	if s.nodes == 1<<16 {
		p.Series = append(p.Series, figure.Series{
			Kind: figure.Paper, Color: figure.Ink, Side: figure.Nowhere,
			Points: []figure.Point{{X: chordStretch.recursive, Y: .5}, {X: chordStretch.iterative, Y: .5}},
		})
	}
	p.Series = append(p.Series, figure.Series{
		Kind: figure.Limit, Color: figure.Ink, Side: figure.Nowhere, Points: []figure.Point{{X: stretchP50, Y: .5}, {X: stretchP90, Y: .9}},
	})
	return &figure.Chart{
		Name: "stretch", Title: "Lookups that take little longer than the direct way",
		Subtitle: "Latency stretch of lookups in Chord, nodes at random places of a cube",
		Caption: fmt.Sprintf("%s nodes, %d candidates a finger, %s lookups of each kind, seed %d. Published medians: Stoica et al. 2003, table IV. Bars: bounds, recursive.",
			figure.Number(float64(s.nodes)), s.candidates, figure.Number(float64(s.lookups)), s.seed),
		Panels: []figure.Panel{p},
	}
}
