package experiment

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"ringswap/internal/sim"
	"ringswap/scripts/internal/figure"
)

// Upkeep measures what a node sends to keep its overlay up, and how many lookups
// find the right node, against the time that nodes stay.
type Upkeep struct {
	nodes   int
	minutes int
	seed    uint64
}

// sessions are the mean times that nodes stay: from the shortest that an overlay
// is known to have survived (Rhea et al. 2004) over those of file sharing to a
// day.
var sessions = []struct {
	time time.Duration
	name string
}{
	{84 * time.Second, "1.4 min"},
	{5 * time.Minute, "5 min"},
	{15 * time.Minute, "15 min"},
	{time.Hour, "1 h"},
	{2 * time.Hour, "2 h"},
	{24 * time.Hour, "1 day"},
}

// upkeepLookups are the lookups a second that show whether the overlay is up: few
// enough to be no traffic of their own.
const upkeepLookups = 1

// About implements figure.Program.
func (*Upkeep) About() figure.About {
	return figure.About{
		Name: "upkeep",
		Summary: "upkeep measures what a node sends to keep its overlay up, and the share of lookups that find\n" +
			"the right node, against the mean time that nodes stay. All depart without a word.",
		Examples: [][2]string{
			{"upkeep", "both overlays with their defaults, sessions of 1.4 minutes to a day"},
			{"upkeep --nodes 100 --minutes 2 --json", "a smaller network, for programs"},
		},
	}
}

// Flags implements figure.Program.
func (u *Upkeep) Flags(fs *flag.FlagSet) {
	fs.IntVar(&u.nodes, "nodes", 300, "`number` of nodes")
	fs.IntVar(&u.minutes, "minutes", 6, "virtual `minutes` that are measured, after as many that are not")
	fs.Uint64Var(&u.seed, "seed", 1, "everything left to chance follows from it")
}

// Validate implements figure.Program.
func (u *Upkeep) Validate() error {
	if err := within("nodes", u.nodes, 20, 100_000); err != nil {
		return err
	}
	return within("minutes", u.minutes, 1, 10_000)
}

// kept is an overlay with its defaults.
type kept struct {
	name, label string
	color       figure.Color
	network     sim.Overlay
	found       []sim.ChurnResult
}

// Run implements figure.Program.
func (u *Upkeep) Run(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	all := []kept{
		{name: "chord", label: "Chord", color: figure.Blue, network: sim.Chord{}},
		{name: "kademlia", label: "Kademlia", color: figure.Orange, network: sim.Kademlia{}},
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i := range all {
		k := &all[i]
		k.found = make([]sim.ChurnResult, len(sessions))
		for j, s := range sessions {
			group.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				long := time.Duration(u.minutes) * time.Minute
				r, err := sim.Churn(sim.ChurnConfig{
					Settings: sim.Settings{
						Overlay: k.network, Seed: u.seed<<8 + uint64(j), Latency: sim.Exponential(packetDelay), CountBytes: true,
					},
					Nodes: u.nodes, Session: s.time, Silent: 1, Warmup: long, Time: long, Lookups: upkeepLookups,
				})
				k.found[j] = r
				fmt.Fprintf(progress, "%s, sessions of %s: %.0f bytes a node/s, %d of %d lookups failed, %.0f s\n",
					k.name, s.name, r.BytesPerNode, r.Failed, r.Lookups, r.Seconds)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return u.report(all), nil
}

// found is the share of lookups that found the right node.
func found(r *sim.ChurnResult) float64 { return 1 - float64(r.Failed)/float64(max(1, r.Lookups)) }

func (u *Upkeep) report(all []kept) *figure.Report {
	t := &figure.Table{Name: "upkeep", Title: "What it costs to keep an overlay up", Columns: []figure.Column{
		{Name: "overlay"},
		{Name: "session"},
		{Name: "session_s", Head: "seconds"},
		{Name: "n", Head: "nodes"},
		{Name: "bytes_per_node_s", Head: "bytes a node/s", Digits: 0},
		{Name: "messages_per_node_s", Head: "messages a node/s", Digits: 2},
		{Name: "entries_mean", Head: "entries", Digits: 1},
		{Name: "lookups"},
		{Name: "failed"},
		{Name: "found", Digits: 4},
		{Name: "mean_hops", Head: "hops", Digits: 2},
		{Name: "p50_ms", Head: "p50 ms", Digits: 0},
		{Name: "p99_ms", Head: "p99 ms", Digits: 0},
	}}
	for i := range all {
		for j, s := range sessions {
			r := &all[i].found[j]
			t.Add(all[i].name, s.name, int(s.time/time.Second), r.Nodes, r.BytesPerNode, r.MessagesPerNode, r.EntriesMean,
				r.Lookups, r.Failed, found(r), r.MeanHops, r.P50Millis, r.P99Millis)
		}
	}
	return &figure.Report{
		Title: "Upkeep against session time", Tables: []*figure.Table{t}, Charts: []*figure.Chart{u.chart(all)},
		Text: []string{
			fmt.Sprintf("Both overlays with their defaults. Nodes stay for exponentially distributed times and depart without a word, each replaced by a newcomer at "+
				"once. Every message is encoded and counted at its sender, with 80 bytes for framing, encryption and headers; %d lookup a second among all nodes "+
				"is in it, too. An answer is right if that node was responsible at any moment of the lookup.", upkeepLookups),
			"Chord reads its successor's list every 10 to 60 s, the seldomer the quieter its place is, and asks again sooner where something changed, which is what nearly all of its traffic is " +
				"when nodes stay for minutes; a list that did not change is not sent again. Kademlia's tables need a lookup for each bucket that nobody used " +
				"for a while and that is not full of contacts that answer, and otherwise learn from the lookups there are.",
		},
	}
}

func (u *Upkeep) chart(all []kept) *figure.Chart {
	x := figure.Axis{Label: "mean session", Log: true, Min: 60, Max: 120_000, Format: sessionName}
	for _, s := range sessions {
		if s.time != time.Hour { // its name would touch the next one's
			x.Ticks = append(x.Ticks, s.time.Seconds())
		}
	}
	bytes := figure.Panel{Title: "Traffic", X: x, Y: figure.Axis{Label: "bytes that a node sends in a second", Log: true, Format: figure.Number}}
	right := figure.Panel{Title: "Lookups", X: x, Y: figure.Axis{Label: "share that finds the right node", Min: .5, Max: 1.02, Format: figure.Percent}}
	for i := range all {
		k := &all[i]
		b := figure.Series{Label: k.label, Color: k.color, Side: figure.Above, At: 2}
		r := figure.Series{Color: k.color, Side: figure.Nowhere}
		for j, s := range sessions {
			b.Points = append(b.Points, figure.Point{X: s.time.Seconds(), Y: k.found[j].BytesPerNode})
			r.Points = append(r.Points, figure.Point{X: s.time.Seconds(), Y: found(&k.found[j])})
		}
		bytes.Series, right.Series = append(bytes.Series, b), append(right.Series, r)
	}
	return &figure.Chart{
		Name: "upkeep", Title: "The longer nodes stay, the less it costs to be many",
		Subtitle: "Traffic of a node, and lookups that find the right one, against the time that nodes stay",
		Caption: fmt.Sprintf("%d nodes, %d virtual minutes after as many that do not count, everyone departs without a word, seed %d.",
			u.nodes, u.minutes, u.seed),
		Panels: []figure.Panel{bytes, right},
	}
}

// sessionName is what people call a time, given in seconds.
func sessionName(seconds float64) string {
	for _, s := range sessions {
		if s.time.Seconds() == seconds {
			return s.name
		}
	}
	return figure.Number(seconds)
}
