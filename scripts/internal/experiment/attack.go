package experiment

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"ringswap/internal/sim"
	"ringswap/kademlia"
	"ringswap/overlay"
	"ringswap/scripts/internal/figure"
)

// Attack measures how many lookups find the right node while a share of the
// nodes answers with nothing but accomplices, over 1, 4 and 8 disjoint paths.
type Attack struct {
	nodes, lookups int
	seed           uint64
}

var (
	attackPaths  = []int{1, 4, 8}
	attackShares = []float64{0, .05, .1, .2, .3, .4, .5}
)

// attackBound is the least share of lookups that 8 paths must save from 20 %.
const attackBound = .985

// About implements figure.Program.
func (*Attack) About() figure.About {
	return figure.About{
		Name: "attack",
		Summary: "attack measures the share of lookups that find the right node while some nodes lie.\n" +
			"Liars name those accomplices that are nearest to the key, and nobody else.",
		Examples: [][2]string{
			{"attack", "10^4 nodes, 1, 4 and 8 disjoint paths"},
			{"attack --nodes 1000 --lookups 500 --json", "a smaller network, for programs"},
		},
	}
}

// Flags implements figure.Program.
func (a *Attack) Flags(fs *flag.FlagSet) {
	fs.IntVar(&a.nodes, "nodes", 10_000, "`number` of nodes")
	fs.IntVar(&a.lookups, "lookups", 2000, "`number` of lookups at each point")
	fs.Uint64Var(&a.seed, "seed", 1, "everything left to chance follows from it")
}

// Validate implements figure.Program.
func (a *Attack) Validate() error {
	if err := within("nodes", a.nodes, 100, 1_000_000); err != nil {
		return err
	}
	return within("lookups", a.lookups, 1, 1_000_000)
}

// attacked is one point.
type attacked struct {
	paths           int
	malicious       float64
	found, requests float64 // share of lookups; mean a lookup
}

// Run implements figure.Program.
func (a *Attack) Run(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	all := make([]attacked, 0, len(attackPaths)*len(attackShares))
	for _, d := range attackPaths {
		for _, m := range attackShares {
			all = append(all, attacked{paths: d, malicious: m})
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i := range all {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := a.measure(&all[i])
			fmt.Fprintf(progress, "%d paths, %.0f %% liars: %.2f %% found\n", all[i].paths, 100*all[i].malicious, 100*all[i].found)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return a.report(all), nil
}

// measure runs lookups of honest nodes for keys whose responsible node is
// honest: an accomplice at the key's place would be found in any case.
func (a *Attack) measure(p *attacked) error {
	var cfg kademlia.Config
	cfg.Table.Refresh, cfg.Limits.PerPeer = -1, -1
	cfg.Lookup.Paths = p.paths
	network := sim.Kademlia{Config: cfg}
	w, err := sim.New(sim.Settings{Overlay: network, Seed: a.seed, Machines: keptMachines})
	if err != nil {
		return err
	}
	if err := w.Populate(a.nodes, false); err != nil {
		return err
	}
	if _, err := w.Corrupt(p.malicious, sim.Deceive); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(a.seed, 2))
	found, requests := 0, 0
	for done := 0; done < a.lookups; {
		asker := w.Node(w.Live().At(rng.IntN(a.nodes)))
		key := overlay.RawKey(binary.BigEndian.AppendUint64(nil, rng.Uint64()))
		want := network.Responsible(w.Live(), key.ID(), 1)[0]
		if asker.Evil != nil || w.Node(want).Evil != nil {
			continue
		}
		done++
		o, err := w.Lookup(asker, key)
		if err != nil {
			return err
		}
		path := o.Result.Path
		requests += path.RPCs()
		if o.Err == nil && len(path.Closest) > 0 && path.Closest[0].ID == want.ID {
			found++
		}
		if err := w.RunFor(time.Minute); err != nil { // late answers are the past's
			return err
		}
	}
	p.found, p.requests = float64(found)/float64(a.lookups), float64(requests)/float64(a.lookups)
	return nil
}

func (a *Attack) report(all []attacked) *figure.Report {
	t := &figure.Table{Name: "attack", Title: "Lookups among liars", Columns: []figure.Column{
		{Name: "overlay"},
		{Name: "paths", Head: "disjoint paths"},
		{Name: "malicious", Head: "share of liars", Digits: 2},
		{Name: "found", Digits: 4},
		{Name: "formula", Digits: 4},
		{Name: "rpcs_mean", Head: "requests", Digits: 1},
	}}
	r := &figure.Report{Title: "Lookups among liars", Tables: []*figure.Table{t}, Charts: []*figure.Chart{a.chart(all)}}
	for _, p := range all {
		t.Add("kademlia", p.paths, p.malicious, p.found, disjointSuccess(p.malicious, p.paths), p.requests)
		if p.paths == 8 && p.malicious == .2 {
			r.Bounds = append(r.Bounds, figure.Bound{
				What: "right node found, Kademlia, 20 % liars, 8 paths", Ours: 100 * p.found, Limit: 100 * attackBound,
				AtLeast: true, Unit: "%", Others: "98.5 % (formula, 4 hops)", Digits: 2,
			})
		}
	}
	r.Text = []string{
		fmt.Sprintf("A liar answers every request with those accomplices that are nearest to the key. Only keys whose responsible node is "+
			"honest count, and only the right node first in the answer counts as found. The formula is S/Kademlia's, 1-(1-(1-m)^h)^d, for h = %d hops: "+
			"it takes a path as lost once it meets one liar. A lookup here goes on with the honest contacts that it has, and takes fewer hops, "+
			"so it may differ from the formula either way.", attackHops),
	}
	return r
}

func (a *Attack) chart(all []attacked) *figure.Chart {
	hues := map[int]figure.Color{1: figure.Orange, 4: figure.Green, 8: figure.Blue}
	var series []figure.Series
	for _, d := range attackPaths {
		f := func(m float64) float64 { return disjointSuccess(m, d) }
		series = append(series, figure.Series{Kind: figure.Theory, Color: hues[d], Points: figure.Sample(f, 0, .5, 60, false), Side: figure.Nowhere})
	}
	for _, d := range attackPaths {
		name := fmt.Sprintf("%d paths", d)
		if d == 1 {
			name = "1 path"
		}
		s := figure.Series{Label: name, Color: hues[d]}
		for _, p := range all {
			if p.paths == d {
				s.Points = append(s.Points, figure.Point{X: p.malicious, Y: p.found})
			}
		}
		series = append(series, s)
	}
	series = append(series, figure.Series{
		Kind: figure.Limit, Color: figure.Ink, Side: figure.Nowhere, Points: []figure.Point{{X: .2, Y: attackBound}},
	})
	return &figure.Chart{
		Name: "attack", Title: "Disjoint paths find the right node among liars",
		Subtitle: "Kademlia lookups that find the responsible node, while liars name only each other",
		Caption: fmt.Sprintf("%s nodes, %s lookups at each point, seed %d. Formula: Baumgart and Mies 2007, for %d hops. The bar is the bound for 8 paths.",
			figure.Number(float64(a.nodes)), figure.Number(float64(a.lookups)), a.seed, attackHops),
		Panels: []figure.Panel{{
			X:      figure.Axis{Label: "share of liars", Min: -.01, Max: .51, Ticks: attackShares, Format: figure.Percent},
			Y:      figure.Axis{Label: "lookups that find the right node", Min: 0, Max: 1.03, Ticks: []float64{0, .2, .4, .6, .8, 1}, Format: figure.Percent},
			Series: series,
		}},
	}
}
