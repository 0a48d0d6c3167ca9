package experiment

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"ringswap/internal/sim"
	"ringswap/scripts/internal/figure"
)

// Hops counts the hops of lookups: in a simulated network, in simulated networks
// of many sizes, or among real nodes.
type Hops struct {
	overlay  string
	n, live  int
	lookups  int
	entries  int
	bucket   int
	seed     uint64
	sweep    bool
	spread   bool
	sweepMax int
}

// HopsResult is what one run of [Hops] found: the object that --json prints.
type HopsResult struct {
	Overlay string `json:"overlay"`
	Live    bool   `json:"live"`
	Nodes   int    `json:"n"`
	Lookups int    `json:"lookups"`
	Seed    uint64 `json:"seed"`
	// Hops count the nodes asked on the way, the responsible one included; of the
	// lookups that found it. Failed ones did not.
	MeanHops float64 `json:"mean_hops"`
	P50Hops  int     `json:"p50_hops"`
	P99Hops  int     `json:"p99_hops"`
	Failed   int     `json:"failed"`
	// RPCs are all requests of a lookup, Entries the contacts a node routes by.
	RPCsMean    float64 `json:"rpcs_mean"`
	EntriesMean float64 `json:"entries_mean"`
	EntriesMax  int     `json:"entries_max,omitempty"`
	// Setting is what decides the size of tables.
	Setting string `json:"setting"`
	// The time that lookups took: virtual if simulated, 50 ms a message.
	P50Millis float64 `json:"p50_ms"`
	P99Millis float64 `json:"p99_ms"`
	// Seconds are the whole run's, PeakMiB the process's memory.
	Seconds float64 `json:"seconds"`
	PeakMiB float64 `json:"peak_mib"`

	histogram []int // lookups by hops
}

// About implements figure.Program.
func (*Hops) About() figure.About {
	return figure.About{
		Name: "hops",
		Summary: "hops counts the hops of lookups, in simulated networks or among real libp2p nodes on loopback.\n" +
			"A hop is a node asked on the way, the responsible one included.",
		Examples: [][2]string{
			{"hops --overlay chord --n 1000 --lookups 10000 --seed 1 --json", "one simulated network"},
			{"hops --overlay chord --n 100000 --entries 120", "small tables"},
			{"hops --n 1000000 --lookups 100000", "a million nodes"},
			{"hops --sweep --out /tmp/figures", "hops against the number of nodes, with a plot"},
			{"hops --distribution --n 4096 --out /tmp/figures", "how many lookups take how many hops, with a plot"},
			{"hops --live 24", "24 nodes, 1,000 lookups"},
			{"hops --live 100 --overlay chord --lookups 5000 --json", "more of both, for programs"},
		},
	}
}

// Flags implements figure.Program.
func (h *Hops) Flags(fs *flag.FlagSet) {
	fs.StringVar(&h.overlay, "overlay", "kademlia", "`overlay` to measure with --n or --live: chord or kademlia")
	fs.IntVar(&h.n, "n", 0, "`number` of simulated nodes")
	fs.IntVar(&h.live, "live", 0, "`number` of real nodes to start instead")
	fs.BoolVar(&h.sweep, "sweep", false, "simulate networks of 2^3 nodes and more instead")
	fs.BoolVar(&h.spread, "distribution", false, "compare both overlays' distributions of hops among --n simulated nodes")
	fs.IntVar(&h.sweepMax, "most", 1_000_000, "`number` of nodes of the sweep's largest network")
	fs.IntVar(&h.entries, "entries", 1100, "most routing entries of a simulated Chord node; 0: the published tables")
	fs.IntVar(&h.bucket, "bucket", 20, "contacts in a bucket of simulated Kademlia nodes: more entries, fewer hops")
	fs.IntVar(&h.lookups, "lookups", 1000, "`number` of lookups of random keys")
	fs.Uint64Var(&h.seed, "seed", 1, "peer IDs and keys follow from it")
}

// Validate implements figure.Program.
func (h *Hops) Validate() error {
	if h.overlay != "kademlia" && h.overlay != "chord" {
		return fmt.Errorf("--overlay is %q, must be chord or kademlia", h.overlay)
	}
	modes := 0
	for _, on := range []bool{h.n != 0, h.live != 0, h.sweep} {
		if on {
			modes++
		}
	}
	if modes != 1 {
		return errors.New("one of --n, --live and --sweep says what to measure")
	}
	if h.spread && h.n == 0 {
		return errors.New("--distribution needs --n")
	}
	errs := []error{within("lookups", h.lookups, 1, 10_000_000), within("bucket", h.bucket, 20, 4096)}
	if h.entries != 0 {
		errs = append(errs, within("entries", h.entries, 100, 10_000))
	}
	switch {
	case h.sweep:
		errs = append(errs, within("most", h.sweepMax, 8, sim.MaxNodes))
	case h.n != 0:
		errs = append(errs, within("n", h.n, 1, sim.MaxNodes))
	default:
		errs = append(errs, within("live", h.live, 2, maxLive))
		if h.bucket != 20 {
			errs = append(errs, errors.New("--bucket is for simulated nodes"))
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Run implements figure.Program.
func (h *Hops) Run(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	switch {
	case h.sweep:
		return h.runSweep(ctx, progress)
	case h.live > 0:
		return h.runLive(ctx, progress)
	case h.spread:
		return h.runDistribution(ctx, progress)
	}
	chosen := kademliaTables(h.bucket)
	if h.overlay == "chord" {
		chosen = chordTables(h.entries)
	}
	r, err := h.simulate(chosen, h.n)
	if err != nil {
		return nil, err
	}
	t := hopsTable("hops-one", "Lookups in a simulated network")
	r.addTo(t)
	return &figure.Report{Title: "One network", Tables: []*figure.Table{t}, Result: r}, nil
}

// runLive measures real nodes.
func (h *Hops) runLive(ctx context.Context, progress io.Writer) (report *figure.Report, err error) {
	began := time.Now()
	net, err := startLive(ctx, liveOverlays[h.overlay], h.live, h.seed, progress)
	if net != nil {
		defer func() {
			if e := net.close(); err == nil {
				err = e
			}
		}()
	}
	if err != nil {
		return nil, err
	}
	t, err := net.measure(ctx, h.lookups, h.seed)
	if err != nil {
		return nil, err
	}
	r := t.result()
	r.Overlay, r.Live, r.Nodes, r.Seed, r.Setting = h.overlay, true, h.live, h.seed, "as shipped"
	if r.EntriesMean, err = net.entriesMean(ctx); err != nil {
		return nil, err
	}
	r.Seconds, r.PeakMiB = time.Since(began).Seconds(), sim.PeakMiB()
	return r.report(t.hops), nil
}

// result works out the figures.
func (t *tally) result() *HopsResult {
	slices.Sort(t.hops)
	slices.Sort(t.millis)
	r := &HopsResult{
		Lookups: t.lookups, Failed: t.failed, MeanHops: mean(t.hops),
		RPCsMean:  float64(t.requests) / float64(t.lookups),
		P50Millis: quantile(t.millis, .5), P99Millis: quantile(t.millis, .99),
	}
	if len(t.hops) > 0 {
		r.P50Hops, r.P99Hops = quantile(t.hops, .5), quantile(t.hops, .99)
	}
	return r
}

// hopsTable is a table of results.
func hopsTable(name, title string) *figure.Table {
	return &figure.Table{Name: name, Title: title, Columns: []figure.Column{
		{Name: "overlay"},
		{Name: "setting", Head: "tables"},
		{Name: "n", Head: "nodes"},
		{Name: "lookups"},
		{Name: "failed"},
		{Name: "mean_hops", Head: "hops", Digits: 2},
		{Name: "p50_hops", Head: "p50"},
		{Name: "p99_hops", Head: "p99"},
		{Name: "rpcs_mean", Head: "requests", Digits: 1},
		{Name: "entries_mean", Head: "entries", Digits: 1},
		{Name: "p50_ms", Head: "p50 ms", Digits: 1},
		{Name: "p99_ms", Head: "p99 ms", Digits: 1},
	}}
}

func (r *HopsResult) addTo(t *figure.Table) {
	t.Add(r.Overlay, r.Setting, r.Nodes, r.Lookups, r.Failed, r.MeanHops, r.P50Hops, r.P99Hops, r.RPCsMean, r.EntriesMean, r.P50Millis, r.P99Millis)
}

func (r *HopsResult) report(hops []int) *figure.Report {
	t := hopsTable("hops-live", "Lookups among real nodes on loopback")
	r.addTo(t)
	report := &figure.Report{Title: "Real nodes", Tables: []*figure.Table{t}, Result: r}
	if len(hops) > 0 {
		report.Charts = []*figure.Chart{r.chart(hops)}
	}
	return report
}

// chart shows how many lookups took how many hops.
func (r *HopsResult) chart(sorted []int) *figure.Chart {
	most := max(4, sorted[len(sorted)-1]+1)
	points := make([]figure.Point, most+1)
	ticks := make([]float64, most+1)
	for i := range points {
		points[i].X, ticks[i] = float64(i), float64(i)
	}
	for _, h := range sorted {
		points[h].Y += 1 / float64(len(sorted))
	}
	peak := 0
	for i := range points {
		if points[i].Y > points[peak].Y {
			peak = i
		}
	}
	label, color := "Kademlia", figure.Orange
	if r.Overlay == "chord" {
		label, color = "Chord", figure.Blue
	}
	return &figure.Chart{
		Name: "hops-live", Title: fmt.Sprintf("Real nodes need %.2f hops in the mean", r.MeanHops),
		Subtitle: "Lookups of random keys among libp2p nodes on loopback",
		Caption: fmt.Sprintf("%d nodes, %s lookups, %d failed, %.0f routing entries a node, seed %d.",
			r.Nodes, figure.Number(float64(r.Lookups)), r.Failed, r.EntriesMean, r.Seed),
		Panels: []figure.Panel{{
			X: figure.Axis{Label: "hops, the responsible node included", Min: -.2, Max: float64(most) + .2, Ticks: ticks},
			Y: figure.Axis{Label: "share of lookups", Min: 0, Max: points[peak].Y * 1.15, Format: figure.Percent},
			Series: []figure.Series{
				{Kind: figure.Area, Color: color, Points: points, Side: figure.Nowhere},
				{Label: label, Kind: figure.Measured, Color: color, Points: points, Side: figure.Right, At: peak},
			},
		}},
	}
}
