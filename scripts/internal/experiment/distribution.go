package experiment

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"ringswap/internal/sim"
	"ringswap/scripts/internal/figure"
)

// chordBare are the tables whose distribution of hops has a formula: base-2
// fingers and one successor.
func chordBare() tables {
	return tables{
		name: "base 2, one successor", label: "Chord, base 2,\none successor", color: figure.Green,
		network: func(int) sim.Overlay {
			cfg := publishedChord()
			quiet(&cfg)
			cfg.Ring.Successors, cfg.Ring.Stabilize = 1, -time.Second
			return sim.Chord{Config: cfg}
		},
	}
}

// runDistribution compares how many lookups take how many hops.
func (h *Hops) runDistribution(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	all := []tables{chordBare(), chordTables(120), chordTables(1100), kademliaTables(h.bucket)}
	found := make([]*HopsResult, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i, t := range all {
		group.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if found[i], err = h.simulate(t, h.n); err == nil {
				fmt.Fprintf(progress, "%s, %s: %.2f hops, %.1f s\n", found[i].Overlay, t.name, found[i].MeanHops, found[i].Seconds)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return h.distributionReport(all, found), nil
}

func (h *Hops) distributionReport(all []tables, found []*HopsResult) *figure.Report {
	t := &figure.Table{Name: "distribution", Title: "How many lookups take how many hops", Columns: []figure.Column{
		{Name: "overlay"},
		{Name: "setting", Head: "tables"},
		{Name: "entries_mean", Head: "entries", Digits: 1},
		{Name: "hops"},
		{Name: "share", Head: "share of lookups", Digits: 4},
		{Name: "formula", Digits: 4},
	}}
	log2 := math.Log2(float64(h.n))
	digits := int(math.Round(log2))
	for i, r := range found {
		for hops, lookups := range r.histogram {
			var formula any
			if i == 0 {
				formula = binomial(digits, hops)
			}
			t.Add(r.Overlay, r.Setting, r.EntriesMean, hops, float64(lookups)/float64(r.Lookups-r.Failed), formula)
		}
	}
	return &figure.Report{
		Title: fmt.Sprintf("Distribution of hops among %s nodes", figure.Number(float64(h.n))), Tables: []*figure.Table{t},
		Charts: []*figure.Chart{h.distributionChart(all, found, digits)},
		Text: []string{
			fmt.Sprintf("In base 2 each of the log₂ N = %.0f digits of the distance is zero with chance ½ and costs a hop otherwise: a binomial distribution around %.1f, "+
				"which is what the paper's figure 10(b) shows. So do our fingers if a node knows one successor only; we also count the contact to the responsible node, "+
				"which sets the curve one hop to the right (%.2f in the mean). Larger tables narrow the distribution as well as they move it.",
				log2, log2/2, found[0].MeanHops),
		},
	}
}

func (h *Hops) distributionChart(all []tables, found []*HopsResult, digits int) *figure.Chart {
	theory := figure.Series{Kind: figure.Theory, Color: figure.Grey, Side: figure.Nowhere}
	for k := range digits + 1 {
		theory.Points = append(theory.Points, figure.Point{X: float64(k), Y: binomial(digits, k)})
	}
	p := figure.Panel{
		X:      figure.Axis{Label: "hops, the responsible node included", Min: -.2, Max: float64(digits) + .4},
		Y:      figure.Axis{Label: "share of lookups", Min: 0, Max: .85, Format: figure.Percent},
		Series: []figure.Series{theory},
	}
	for k := range digits + 1 {
		p.X.Ticks = append(p.X.Ticks, float64(k))
	}
	for i, r := range found {
		s := figure.Series{Label: all[i].label, Color: all[i].color, Side: figure.Right}
		for hops, lookups := range r.histogram {
			share := float64(lookups) / float64(r.Lookups-r.Failed)
			s.Points = append(s.Points, figure.Point{X: float64(hops), Y: share})
			if share > s.Points[s.At].Y {
				s.At = hops
			}
		}
		if i == 2 { // else its name would be on Kademlia's
			s.Side = figure.Above
		}
		p.Series = append(p.Series, s)
	}
	return &figure.Chart{
		Name: "distribution", Title: "Larger tables also leave less to chance",
		Subtitle: fmt.Sprintf("Hops of lookups among %s nodes", figure.Number(float64(h.n))),
		Caption: fmt.Sprintf("%s lookups of each kind, seed %d. Formula: the binomial distribution of %d digits (Stoica et al. 2003, section V-C).",
			figure.Number(float64(h.lookups)), h.seed, digits),
		Panels: []figure.Panel{p},
	}
}
