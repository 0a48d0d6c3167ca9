package experiment

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"ringswap/internal/sim"
	"ringswap/scripts/internal/figure"
)

// Speed times the simulator: on a large network that does not change, and on one
// whose nodes come and go.
//
// The churn is what measurements of open networks find, rather more than less of
// it: sessions have a mean of an hour and are exponentially distributed, half of
// the departures are without a word, and whoever departs is replaced by a
// newcomer at once. Machines have the settings that laptops run with; messages
// travel between cities. It runs on all cores, which changes nothing but the time.
type Speed struct {
	overlay, only           string
	still, lookups, entries int
	churned                 int
	virtual, session        time.Duration
	perSecond               float64
	seed                    uint64
}

// What the simulator has to do in the time that is promised: a million nodes with
// small tables and lookups among them, and an hour of ten thousand under churn.
const (
	speedSeconds = 60
	speedMiB     = 2048
)

// SpeedResult is what one run took: an element of what --json prints.
type SpeedResult struct {
	// What is "still" or "churn".
	What    string `json:"what"`
	Overlay string `json:"overlay"`
	Nodes   int    `json:"n"`
	Seed    uint64 `json:"seed"`
	// Virtual is the time that passed for the nodes under churn, in seconds.
	Virtual  float64 `json:"virtual_seconds,omitempty"`
	Lookups  int     `json:"lookups"`
	Failed   int     `json:"failed"`
	MeanHops float64 `json:"mean_hops"`
	Entries  float64 `json:"entries_mean"`
	Joins    int     `json:"joins,omitempty"`
	// MessagesPerNode is what a node sends in a second.
	MessagesPerNode float64 `json:"messages_per_node_s,omitempty"`
	Events          uint64  `json:"events,omitempty"`
	// Seconds is by the clock on the wall, CPUSeconds of all threads together; it
	// is 0 where the system does not tell it.
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
	// PeakMiB is the most memory that the process has had so far.
	PeakMiB float64 `json:"peak_mib"`
	// Digest is the same wherever the same happened.
	Digest uint64 `json:"digest"`
}

// About implements figure.Program.
func (*Speed) About() figure.About {
	return figure.About{
		Name: "speed",
		Summary: "speed times the simulator: lookups in a still network of a million nodes, and a virtual hour of ten\n" +
			"thousand nodes with the default settings, sessions of an hour in the mean, and lookups meanwhile.",
		Examples: [][2]string{
			{"speed", "both, on both overlays"},
			{"speed --only still --overlay chord --json", "a million Chord nodes with 120 entries each, and 100,000 lookups"},
			{"speed --only churn --overlay kademlia --virtual 10m", "ten virtual minutes of Kademlia"},
		},
	}
}

// Flags implements figure.Program.
func (s *Speed) Flags(fs *flag.FlagSet) {
	fs.StringVar(&s.overlay, "overlay", "both", "`overlay` to run: chord, kademlia or both")
	fs.StringVar(&s.only, "only", "both", "what to run: still, churn or both")
	fs.IntVar(&s.still, "n", 1_000_000, "`number` of nodes of the still network")
	fs.IntVar(&s.lookups, "lookups", 100_000, "`number` of lookups in it")
	fs.IntVar(&s.entries, "entries", 120, "most routing entries of its Chord nodes")
	fs.IntVar(&s.churned, "churned", 10_000, "`number` of nodes under churn")
	fs.DurationVar(&s.virtual, "virtual", time.Hour, "virtual `time` under churn; the first tenth is not counted in the figures")
	fs.DurationVar(&s.session, "session", time.Hour, "mean `time` that a node stays")
	fs.Float64Var(&s.perSecond, "per-second", 10, "`number` of lookups a second under churn, all nodes together")
	fs.Uint64Var(&s.seed, "seed", 1, "everything left to chance follows from it")
}

// Validate implements figure.Program.
func (s *Speed) Validate() error {
	switch {
	case s.overlay != "chord" && s.overlay != "kademlia" && s.overlay != "both":
		return fmt.Errorf("--overlay is %q, must be chord, kademlia or both", s.overlay)
	case s.only != "still" && s.only != "churn" && s.only != "both":
		return fmt.Errorf("--only is %q, must be still, churn or both", s.only)
	case s.session <= 0:
		return errors.New("--session must be greater than 0")
	}
	for _, err := range []error{
		within("n", s.still, 1, sim.MaxNodes),
		within("lookups", s.lookups, 1, 10_000_000),
		within("entries", s.entries, 100, 10_000),
		within("churned", s.churned, 2, 1_000_000),
		within("virtual", s.virtual, time.Minute, 1000*time.Hour),
		within("per-second", s.perSecond, .001, 1e6),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Run implements figure.Program.
func (s *Speed) Run(ctx context.Context, progress io.Writer) (*figure.Report, error) {
	var found []*SpeedResult
	for _, what := range []string{"still", "churn"} {
		for _, overlay := range []string{"chord", "kademlia"} {
			if s.only != "both" && s.only != what || s.overlay != "both" && s.overlay != overlay {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			r, err := s.time(what, overlay)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(progress, "%s, %s, %d nodes: %.1f s, %.1f s of CPU time, %.0f MiB\n", r.What, r.Overlay, r.Nodes, r.Seconds, r.CPUSeconds, r.PeakMiB)
			found = append(found, r)
		}
	}
	return s.report(found), nil
}

// time makes one run.
func (s *Speed) time(what, overlay string) (*SpeedResult, error) {
	before := sim.CPUSeconds()
	run := s.underChurn
	if what == "still" {
		run = s.atRest
	}
	r, err := run(overlay)
	if err != nil {
		return nil, err
	}
	r.What, r.Overlay, r.Seed = what, overlay, s.seed
	r.CPUSeconds, r.PeakMiB = sim.CPUSeconds()-before, sim.PeakMiB()
	return r, nil
}

func (s *Speed) atRest(overlay string) (*SpeedResult, error) {
	chosen := kademliaTables(20)
	if overlay == "chord" {
		chosen = chordTables(s.entries)
	}
	h, err := sim.Hops(sim.HopsConfig{
		Settings: sim.Settings{Overlay: chosen.network(s.still), Seed: s.seed},
		Nodes:    s.still, Lookups: s.lookups, Lanes: lanesFor(s.still),
	})
	return &SpeedResult{
		Nodes: s.still, Lookups: h.Lookups, Failed: h.Failed, MeanHops: h.MeanHops, Entries: h.EntriesMean, Seconds: h.Seconds, Digest: h.Digest,
	}, err
}

// churnGarbage is by how much the heap grows under churn before garbage is
// collected, in per cent. Nearly all of it are machines, which live; going
// through them a quarter as often saves a fifth of the time.
const churnGarbage = 400

func (s *Speed) underChurn(overlay string) (*SpeedResult, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(churnGarbage))
	var machines sim.Overlay = sim.Kademlia{}
	if overlay == "chord" {
		machines = sim.Chord{}
	}
	warmup := s.virtual / 10
	c, err := sim.Churn(sim.ChurnConfig{
		Settings: sim.Settings{Overlay: machines, Seed: s.seed, Latency: sim.Cities{Jitter: 5 * time.Millisecond}, Workers: runtime.GOMAXPROCS(0)},
		Nodes:    s.churned, Session: s.session, Silent: .5, Lookups: s.perSecond,
		Warmup: warmup, Time: s.virtual - warmup,
	})
	return &SpeedResult{
		Nodes: s.churned, Virtual: s.virtual.Seconds(), Lookups: c.Lookups, Failed: c.Failed, MeanHops: c.MeanHops, Entries: c.EntriesMean,
		Joins: c.Joins, MessagesPerNode: c.MessagesPerNode, Events: c.Events, Seconds: c.Seconds, Digest: c.Digest,
	}, err
}

// report makes tables, and compares with the bounds what they are about.
func (s *Speed) report(found []*SpeedResult) *figure.Report {
	t := &figure.Table{Name: "speed", Title: "What the simulator takes", Columns: []figure.Column{
		{Name: "what"},
		{Name: "overlay"},
		{Name: "n", Head: "nodes"},
		{Name: "virtual_seconds", Head: "virtual s"},
		{Name: "lookups"},
		{Name: "failed"},
		{Name: "events"},
		{Name: "messages_per_node_s", Head: "messages/node/s", Digits: 2},
		{Name: "seconds", Digits: 1},
		{Name: "cpu_seconds", Head: "CPU s", Digits: 1},
		{Name: "peak_mib", Head: "MiB"},
	}}
	report := &figure.Report{Title: "The simulator's speed", Tables: []*figure.Table{t}, Result: map[string]any{"runs": found}}
	for _, r := range found {
		t.Add(r.What, r.Overlay, r.Nodes, r.Virtual, r.Lookups, r.Failed, r.Events, r.MessagesPerNode, r.Seconds, r.CPUSeconds, r.PeakMiB)
		whole := r.What == "still" && r.Overlay == "chord" && s.still == 1_000_000 && s.lookups == 100_000 && s.entries <= 120 ||
			r.What == "churn" && s.churned == 10_000 && s.virtual == time.Hour
		if !whole {
			continue
		}
		name := fmt.Sprintf("%s, %s, %s nodes", r.What, r.Overlay, figure.Number(float64(r.Nodes)))
		report.Bounds = append(report.Bounds, figure.Bound{What: name, Ours: r.Seconds, Limit: speedSeconds, Unit: "s", Digits: 1})
		if r.What == "still" {
			report.Bounds = append(report.Bounds, figure.Bound{What: name, Ours: r.PeakMiB, Limit: speedMiB, Unit: "MiB"})
		}
	}
	return report
}
