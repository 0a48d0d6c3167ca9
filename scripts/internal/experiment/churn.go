package experiment

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"ringswap/chord"
	"ringswap/internal/sim"
	"ringswap/scripts/internal/figure"
)

// Churn measures lookups while nodes join and leave: table III of Chord's paper.
type Churn struct {
	nodes, lookups, shipped int
	seed                    uint64
}

// Lookups a second, all nodes together: those with the defaults are fewer and
// come faster, since their upkeep makes up most of the run.
const (
	publishedPerSecond = 10
	shippedPerSecond   = 20
	churnWarmup        = 5 * time.Minute
)

// About implements figure.Program.
func (*Churn) About() figure.About {
	return figure.About{
		Name: "churn",
		Summary: "churn measures lookups while nodes join and leave: nodes asked, timeouts, and wrong answers.\n" +
			"An answer is right if that node was responsible at any moment while the lookup ran.",
		Examples: [][2]string{
			{"churn", "the published setting and the defaults, 1,000 nodes, in minutes"},
			{"churn --lookups 40000 --shipped 0", "a narrower interval, the published setting only"},
			{"churn --nodes 200 --lookups 500 --shipped 0 --json", "a smaller network, for programs"},
		},
	}
}

// Flags implements figure.Program.
func (c *Churn) Flags(fs *flag.FlagSet) {
	fs.IntVar(&c.nodes, "nodes", paperNodes, "`number` of nodes, about")
	fs.IntVar(&c.lookups, "lookups", 10_000, "`number` of lookups at each rate with the published setting, about")
	fs.IntVar(&c.shipped, "shipped", 2000, "`number` of lookups at some rates with the defaults, about; 0 leaves them out")
	fs.Uint64Var(&c.seed, "seed", 1, "everything left to chance follows from it")
}

// Validate implements figure.Program.
func (c *Churn) Validate() error {
	for _, err := range []error{
		within("nodes", c.nodes, 50, 100_000),
		within("lookups", c.lookups, 1, 10_000_000),
		within("shipped", c.shipped, 0, 10_000_000),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// churned is one way to run the network, and what became of its lookups at each
// rate.
type churned struct {
	name, label string
	color       figure.Color
	config      chord.Config
	lookups     int
	perSecond   float64
	rates       []int // indices of chordChurn
	found       []sim.ChurnResult
}

// packetDelay is the mean of a packet's exponentially distributed delay in the
// paper.
const packetDelay = 50 * time.Millisecond

// Run implements figure.Program.
func (c *Churn) Run(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	all := []churned{{
		name: "as published", label: "Chord as published", color: figure.Green, config: publishedChord(),
		lookups: c.lookups, perSecond: publishedPerSecond, rates: []int{0, 1, 2, 3, 4, 5, 6, 7},
	}}
	if c.shipped > 0 {
		all = append(all, churned{
			name: "as shipped", label: "Chord as shipped", color: figure.Blue, lookups: c.shipped, perSecond: shippedPerSecond, rates: []int{0, 3, 7},
		})
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i := range all {
		a := &all[i]
		a.found = make([]sim.ChurnResult, len(a.rates))
		for k, at := range a.rates {
			p := chordChurn[at]
			group.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				r, err := sim.Churn(sim.ChurnConfig{
					Settings: sim.Settings{
						Overlay: sim.Chord{Config: a.config}, Seed: c.seed<<8 + uint64(at), Latency: sim.Exponential(packetDelay),
					},
					Nodes: c.nodes, Rate: p.rate, Lookups: a.perSecond, Warmup: churnWarmup,
					Time: time.Duration(float64(a.lookups) / a.perSecond * float64(time.Second)),
				})
				a.found[k] = r
				fmt.Fprintf(progress, "%s, %.2f joins/s: %.2f nodes asked, %.3f timeouts, %d of %d lookups failed, %.0f s\n",
					a.label, p.rate, r.MeanAnswered, r.MeanTimeouts, r.Failed, r.Lookups, r.Seconds)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return c.report(all), nil
}

// perTenThousand is the rate of failed lookups with its interval.
func perTenThousand(r *sim.ChurnResult) (mid, lo, hi float64) {
	scale := 1e4 / float64(max(1, r.Lookups))
	lo, hi = poisson(r.Failed)
	return float64(r.Failed) * scale, lo * scale, hi * scale
}

func (c *Churn) report(all []churned) *figure.Report {
	t := &figure.Table{Name: "churn", Title: "Lookups under churn", Columns: []figure.Column{
		{Name: "overlay"},
		{Name: "setting", Head: "tables"},
		{Name: "rate", Head: "joins and leaves a second", Digits: 2},
		{Name: "lookups"},
		{Name: "path", Head: "live nodes asked", Digits: 2},
		{Name: "published_path", Head: "published", Digits: 2},
		{Name: "timeouts", Digits: 3},
		{Name: "published_timeouts", Head: "published", Digits: 2},
		{Name: "failed", Head: "failed of 10⁴", Digits: 1},
		{Name: "failed_lo", Head: "95 % from", Digits: 1},
		{Name: "failed_hi", Head: "to", Digits: 1},
		{Name: "published_failed", Head: "published"},
		{Name: "entries_mean", Head: "entries", Digits: 1},
		{Name: "messages_per_node_s", Head: "messages a node/s", Digits: 2},
	}}
	report := &figure.Report{
		Title: "Churn (table III)", Tables: []*figure.Table{t}, Charts: []*figure.Chart{c.chart(all)},
		Text: []string{
			"Joins, and as many leaves with a good-bye, arrive by chance; packets take 50 ms in the mean, exponentially distributed, and a request " +
				"times out after 500 ms. A node is a member from the end of its join to its good-bye; an answer is right if that member was responsible " +
				"at any moment between the lookup's start and its end. The paper does not say how it counts those moments.",
			"Fewer timeouts than in the paper, since whoever says good-bye answers for another second that it is gone, and an asker drops a contact " +
				"that did not answer. Fewer wrong answers, since the owner confirms that it is one, or names a newcomer before it; since a node whose successor " +
				"leaves tells the next one of itself at once; and since an owner whose answer came too late is asked again if its successor takes it for alive. " +
				"The interval is that of a Poisson count: with none of 10⁴, up to 3.7 could be expected.",
			"\"As shipped\" are the defaults: stabilization every 10 to 60 s, base-16 fingers, a cache of up to 1,000 nodes, and a second request beside one that " +
				"is late, so that most timeouts are not waited for and run out after the lookup's end. There are too few of its lookups for a rate of wrong answers.",
		},
	}
	for i, a := range all {
		for k, at := range a.rates {
			p, r := chordChurn[at], &a.found[k]
			var path, timeouts, wrong any
			if i == 0 && c.nodes == paperNodes {
				path, timeouts, wrong = p.path, p.timeouts, p.wrong
				report.Bounds = append(report.Bounds, churnBounds(at, r)...)
			}
			mid, lo, hi := perTenThousand(r)
			t.Add("chord", a.name, p.rate, r.Lookups, r.MeanAnswered, path, r.MeanTimeouts, timeouts, mid, lo, hi, wrong, r.EntriesMean, r.MessagesPerNode)
		}
	}
	return report
}

// churnBounds compares one rate with the paper.
func churnBounds(k int, r *sim.ChurnResult) []figure.Bound {
	p := chordChurn[k]
	at := fmt.Sprintf(", %.2f joins and leaves a second", p.rate)
	mid, _, _ := perTenThousand(r)
	return []figure.Bound{
		{What: "timeouts a lookup" + at, Ours: r.MeanTimeouts, Limit: p.timeouts, Digits: 2},
		{What: "failed of 10⁴" + at, Ours: mid, Limit: float64(p.wrong), Digits: 1},
	}
}

func (c *Churn) chart(all []churned) *figure.Chart {
	x := figure.Axis{Label: "joins a second, and leaves", Min: .035, Max: .415, Ticks: []float64{.05, .1, .15, .2, .25, .3, .35, .4}}
	lost := figure.Panel{Title: "Timeouts", X: x, Y: figure.Axis{Label: "timeouts a lookup in the mean", Min: 0, Max: .5}}
	wrong := figure.Panel{Title: "Wrong answers", X: x, Y: figure.Axis{Label: "failed lookups of 10⁴, with 95 % intervals", Min: 0, Max: 20}}
	for i, a := range all {
		times := figure.Series{Label: a.label, Color: a.color, Side: figure.Above, At: len(a.rates) / 2}
		fails := figure.Series{Color: a.color, Side: figure.Nowhere}
		for k, at := range a.rates {
			p := chordChurn[at]
			mid, lo, hi := perTenThousand(&a.found[k])
			times.Points = append(times.Points, figure.Point{X: p.rate, Y: a.found[k].MeanTimeouts})
			fails.Points = append(fails.Points, figure.Point{X: p.rate, Y: mid, Lo: lo, Hi: min(hi, wrong.Y.Max)})
		}
		lost.Series = append(lost.Series, times)
		if i == 0 { // the other has too few lookups for so rare events
			wrong.Series = append(wrong.Series, fails)
		}
	}
	if c.nodes == paperNodes {
		p := figure.Series{Kind: figure.Paper, Color: figure.Ink, Side: figure.Nowhere}
		q := p
		for _, v := range chordChurn {
			p.Points = append(p.Points, figure.Point{X: v.rate, Y: v.timeouts})
			q.Points = append(q.Points, figure.Point{X: v.rate, Y: float64(v.wrong)})
		}
		lost.Series, wrong.Series = append(lost.Series, p), append(wrong.Series, q)
	}
	return &figure.Chart{
		Name: "churn", Title: "Nodes come and go, and lookups find the right one",
		Subtitle: "Lookups while nodes join and leave; stabilization every 15 to 45 s as published, 10 to 30 s in the mean as shipped",
		Caption: fmt.Sprintf("About %s nodes, %s lookups at each rate (%s as shipped), seed %d. Published: Stoica et al. 2003, table III.",
			figure.Number(float64(c.nodes)), figure.Number(float64(c.lookups)), figure.Number(float64(c.shipped)), c.seed),
		Panels: []figure.Panel{lost, wrong},
	}
}
