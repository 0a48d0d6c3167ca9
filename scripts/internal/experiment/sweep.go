package experiment

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"ringswap/chord"
	"ringswap/internal/sim"
	"ringswap/kademlia"
	"ringswap/scripts/internal/figure"
)

// keptMachines is how many machines a simulation keeps; the others are made again
// when asked. Fewer have less to do while time passes between lookups.
const keptMachines = 256

// lanesFor is the number of lanes of a simulation: as many as a laptop has cores to
// spare where it takes long, whatever machine it runs on, so that the figures are
// the same everywhere.
func lanesFor(n int) int {
	if n < 100_000 {
		return 1
	}
	return 4
}

// tables is an overlay with a choice of how much its nodes remember.
type tables struct {
	name    string // in tables
	label   string // in the chart
	color   figure.Color
	network func(n int) sim.Overlay
	bounds  map[int]float64 // the most mean hops, by nodes
}

// kademliaTables are buckets of so many contacts.
func kademliaTables(bucket int) tables {
	t := tables{name: fmt.Sprintf("buckets of %d", bucket), label: "Kademlia", color: figure.Orange}
	t.network = func(int) sim.Overlay {
		var cfg kademlia.Config
		cfg.Table.Refresh, cfg.Limits.PerPeer = -1, -1 // nothing changes, nobody floods
		cfg.Table.BucketSize = bucket
		return sim.Kademlia{Config: cfg}
	}
	if bucket == 20 {
		t.bounds = map[int]float64{1000: 1.9, 10_000: 2.5, 100_000: 3.1, 1_000_000: 3.7}
	}
	return t
}

// chordTables have at most so many entries: 32 successors, base-16 fingers, and a
// cache of what is left. 0 means the published tables.
func chordTables(entries int) tables {
	t := tables{name: fmt.Sprintf("up to %d entries", entries), label: fmt.Sprintf("Chord, ≤ %d entries", entries), color: figure.Blue}
	switch entries {
	case 0:
		t.name, t.label, t.color = "as published", "Chord as published", figure.Green
	case 120:
		t.color = figure.Sky
		t.bounds = map[int]float64{1000: 2.5, 10_000: 3.1, 100_000: 3.9, 1_000_000: 4.8}
	case 1100:
		t.bounds = map[int]float64{1000: 1.7, 10_000: 2.1, 100_000: 2.7, 1_000_000: 3.2}
	}
	t.network = func(n int) sim.Overlay {
		var cfg chord.Config
		if entries == 0 {
			chord.Published(&cfg)
		} else {
			const successors, predecessor, digit = 32, 1, 15
			digits := math.Max(0, math.Log2(float64(n)/successors)/4)
			cfg.Cache.Entries = entries - successors - predecessor - int(math.Ceil(digit*(digits+.35)))
			if cfg.Cache.Entries <= 0 {
				cfg.Cache.Entries = -1
			}
		}
		cfg.Ring.Stabilize, cfg.Ring.SelfLookup, cfg.Ring.Remember = -time.Second, -1, -1
		cfg.Fingers.Refresh, cfg.Limits.PerPeer = -1, -1
		return sim.Chord{Config: cfg}
	}
	return t
}

// simulate measures one network that does not change.
func (h *Hops) simulate(t tables, n int) (*HopsResult, error) {
	s, err := sim.Hops(sim.HopsConfig{
		Settings: sim.Settings{Overlay: t.network(n), Seed: h.seed, Machines: keptMachines},
		Nodes:    n, Lookups: h.lookups, Lanes: lanesFor(n),
	})
	if err != nil {
		return nil, err
	}
	return &HopsResult{
		Overlay: s.Overlay, Nodes: n, Lookups: s.Lookups, Seed: h.seed, Failed: s.Failed,
		MeanHops: s.MeanHops, P50Hops: s.P50Hops, P99Hops: s.P99Hops, RPCsMean: s.MeanRequests,
		EntriesMean: s.EntriesMean, EntriesMax: s.EntriesMax, Setting: t.name, P50Millis: s.P50Millis, P99Millis: s.P99Millis,
		Seconds: s.Seconds, PeakMiB: s.PeakMiB, histogram: s.Histogram,
	}, nil
}

// sweepSizes are powers of two, and the sizes that have a bound.
var sweepSizes = []int{8, 32, 128, 512, 1000, 4096, 10_000, 32_768, 100_000, 262_144, 1_000_000}

// runSweep measures networks of many sizes.
func (h *Hops) runSweep(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	all := []tables{chordTables(0), chordTables(120), chordTables(1100), kademliaTables(h.bucket)}
	found := make([][]*HopsResult, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i, t := range all {
		group.Go(func() error {
			for _, n := range sweepSizes {
				if n > h.sweepMax {
					break
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				r, err := h.simulate(t, n)
				if err != nil {
					return err
				}
				fmt.Fprintf(progress, "%s, %d nodes: %.2f hops, %.1f s\n", t.label, n, r.MeanHops, r.Seconds)
				found[i] = append(found[i], r)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return h.sweepReport(all, found), nil
}

func (h *Hops) sweepReport(all []tables, found [][]*HopsResult) *figure.Report {
	t := hopsTable("hops", "Lookups in networks that do not change")
	report := &figure.Report{
		Title: "Hops against the number of nodes", Tables: []*figure.Table{t}, Charts: []*figure.Chart{h.sweepChart(all, found)},
		Text: []string{
			"Every node's table is what it would be after a long time; keys and askers are random. \"As published\" are Chord's tables of 2003: base-2 " +
				"fingers and 20 successors, which end a lookup early, so that its line lies below ½ log₂ N in large networks. Base-16 fingers " +
				"take more of the way in a hop, and a cache of nodes met before does so again: each is paid for with the routing entries a node that " +
				"the table shows. Of Kademlia's 20 contacts in a bucket the nearest leaves a share of about e^-H(20) of the nodes.",
		},
	}
	for i, results := range found {
		for _, r := range results {
			r.addTo(t)
			if limit, ok := all[i].bounds[r.Nodes]; ok {
				report.Bounds = append(report.Bounds, figure.Bound{
					What: fmt.Sprintf("mean hops, %s, %s, %s nodes", r.Overlay, r.Setting, figure.Number(float64(r.Nodes))),
					Ours: r.MeanHops, Limit: limit, Digits: 2, Others: fmt.Sprintf("%.1f (½ log₂ N)", routeLength(float64(r.Nodes), 2)),
				})
			}
		}
	}
	return report
}

func (h *Hops) sweepChart(all []tables, found [][]*HopsResult) *figure.Chart {
	last := float64(found[0][len(found[0])-1].Nodes)
	half := func(n float64) float64 { return routeLength(n, 2) }
	series := []figure.Series{{Label: "½ log₂ N", Kind: figure.Theory, Color: figure.Grey, Points: figure.Sample(half, 8, last, 80, true)}}
	for i, t := range all {
		s := figure.Series{Label: t.label, Color: t.color}
		for _, r := range found[i] {
			s.Points = append(s.Points, figure.Point{X: float64(r.Nodes), Y: r.MeanHops})
		}
		series = append(series, s)
	}
	return &figure.Chart{
		Name: "hops", Title: "Larger tables shorten the way",
		Subtitle: "Hops of a lookup against the number of nodes, nothing changing meanwhile",
		Caption: fmt.Sprintf("%s lookups at each size, Kademlia with buckets of %d, seed %d. Formula: Stoica et al. 2003.",
			figure.Number(float64(h.lookups)), h.bucket, h.seed),
		Panels: []figure.Panel{{
			X:      figure.Axis{Label: "nodes", Log: true},
			Y:      figure.Axis{Label: "hops in the mean, the responsible node included"},
			Series: series,
		}},
	}
}
