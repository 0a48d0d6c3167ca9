package experiment

import (
	"context"
	"fmt"
	"io"

	"ringswap/internal/sim"
	"ringswap/kademlia"
	"ringswap/scripts/internal/figure"
)

// hopBounds are the most mean hops that Kademlia may need.
var hopBounds = []struct {
	exponent, n int
	kademlia    float64
}{{3, 1000, 1.9}, {4, 10_000, 2.5}, {5, 100_000, 3.1}, {6, 1_000_000, 3.7}}

// keptMachines is how many machines a simulation keeps; the others are made again
// when asked. Fewer have less to do while time passes between lookups.
const keptMachines = 256

// simulate measures one network that does not change.
func (h *Hops) simulate(n int) (*HopsResult, error) {
	var cfg kademlia.Config
	cfg.Table.Refresh, cfg.Limits.PerPeer = -1, -1 // nothing changes, nobody floods
	cfg.Table.BucketSize = h.bucket
	s, err := sim.Hops(sim.HopsConfig{
		Settings: sim.Settings{Overlay: sim.Kademlia{Config: cfg}, Seed: h.seed, Machines: keptMachines},
		Nodes:    n, Lookups: h.lookups,
	})
	if err != nil {
		return nil, err
	}
	return &HopsResult{
		Overlay: s.Overlay, Nodes: n, Lookups: s.Lookups, Seed: h.seed, Failed: s.Failed,
		MeanHops: s.MeanHops, P50Hops: s.P50Hops, P99Hops: s.P99Hops, RPCsMean: s.MeanRequests,
		EntriesMean: s.EntriesMean, Bucket: h.bucket, P50Millis: s.P50Millis, P99Millis: s.P99Millis,
		Seconds: s.Seconds, PeakMiB: s.PeakMiB,
	}, nil
}

// runSweep measures powers of two, and the sizes that have a bound.
func (h *Hops) runSweep(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	sizes := []int{8, 32, 128, 512, 1000, 4096, 10_000, 32_768, 100_000, 262_144, 1_000_000}
	t := hopsTable("hops", "Lookups in networks that do not change")
	report := &figure.Report{Title: "Hops against the number of nodes", Tables: []*figure.Table{t}}
	var points []figure.Point
	for _, n := range sizes {
		if n > h.sweepMax {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := h.simulate(n)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(progress, "%d nodes: %.2f hops, %.1f s, %.0f MiB\n", n, r.MeanHops, r.Seconds, r.PeakMiB)
		r.addTo(t)
		points = append(points, figure.Point{X: float64(n), Y: r.MeanHops})
		for _, b := range hopBounds {
			if b.n == n {
				report.Bounds = append(report.Bounds, figure.Bound{
					What: fmt.Sprintf("mean hops, Kademlia, 10^%d nodes", b.exponent), Ours: r.MeanHops, Limit: b.kademlia, Digits: 2,
				})
			}
		}
	}
	report.Charts = []*figure.Chart{h.sweepChart(points)}
	report.Text = []string{
		"Every node's table is what it would be after a long time; keys and askers are random. Of Kademlia's 20 contacts in a " +
			"bucket the nearest leaves a share of e^-H(20) of the nodes in the mean, where Chord's base-2 finger leaves half. In large networks the " +
			"line lies a little below ln N / H(20): the formula follows one contact at a time, a lookup compares several nodes' answers.",
	}
	return report, nil
}

func (h *Hops) sweepChart(points []figure.Point) *figure.Chart {
	last := points[len(points)-1].X
	var limits []figure.Point
	for _, b := range hopBounds {
		if float64(b.n) <= last {
			limits = append(limits, figure.Point{X: float64(b.n), Y: b.kademlia})
		}
	}
	formula := func(label string, f func(float64) float64) figure.Series {
		return figure.Series{Label: label, Kind: figure.Theory, Color: figure.Grey, Points: figure.Sample(f, 8, last, 80, true)}
	}
	series := []figure.Series{
		formula("½ log₂ N\nChord, base 2", func(n float64) float64 { return routeLength(n, 2) }),
		formula(fmt.Sprintf("ln N / H(%d)", h.bucket), func(n float64) float64 { return bucketLength(n, h.bucket) }),
		{Label: "Kademlia", Kind: figure.Measured, Color: figure.Orange, Points: points},
	}
	if len(limits) > 0 && h.bucket == 20 {
		series = append(series, figure.Series{Kind: figure.Limit, Color: figure.Ink, Points: limits, Side: figure.Nowhere})
	}
	return &figure.Chart{
		Name: "hops", Title: fmt.Sprintf("A lookup among %s nodes takes %.1f hops", figure.Number(last), points[len(points)-1].Y),
		Subtitle: "Hops of a lookup against the number of nodes, nothing changing meanwhile",
		Caption: fmt.Sprintf("%s lookups at each size, buckets of %d, seed %d. Chord's formula: Stoica et al. 2003.",
			figure.Number(float64(h.lookups)), h.bucket, h.seed),
		Panels: []figure.Panel{{
			X:      figure.Axis{Label: "nodes", Log: true},
			Y:      figure.Axis{Label: "hops in the mean, the responsible node included"},
			Series: series,
		}},
	}
}
