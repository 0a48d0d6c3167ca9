// Command sim lets random misfortunes happen to small networks in virtual time
// and checks what the overlay promises after every event: of Kademlia the tables,
// of Chord the ring as a whole. A check that fails prints the seed, the event, and the
// command that shows it again.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"ringswap/internal/sim"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	overlay      string
	events       uint64
	seed, seeds  uint64
	nodes, list  int
	meanLatency  time.Duration
	resultAsJSON bool
}

func run(args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	flags.StringVar(&o.overlay, "overlay", both, "overlay to run: chord, kademlia or both")
	flags.Uint64Var(&o.events, "events", 1_000_000, "events of each run")
	flags.Uint64Var(&o.seed, "seed", 1, "seed of the first run")
	flags.Uint64Var(&o.seeds, "seeds", 1, "number of runs of an overlay, each with the next seed")
	flags.IntVar(&o.nodes, "nodes", 24, "nodes at a time, about")
	flags.IntVar(&o.list, "list", 3, "length of a successor list (chord)")
	flags.DurationVar(&o.meanLatency, "latency", 50*time.Millisecond, "mean delay of a message, exponentially distributed")
	flags.BoolVar(&o.resultAsJSON, "json", false, "print one JSON object for each run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	overlays := []string{o.overlay}
	if o.overlay == both {
		overlays = []string{"kademlia", "chord"}
	}
	for _, name := range overlays {
		for i := range o.seeds {
			if err := o.soak(name, o.seed+i, out); err != nil {
				return err
			}
		}
	}
	return nil
}

const both = "both"

// soak makes one run.
func (o options) soak(name string, seed uint64, out io.Writer) error {
	machines, err := o.machines(name)
	if err != nil {
		return err
	}
	r, err := sim.Soak(sim.SoakConfig{
		Settings: sim.Settings{Overlay: machines, Seed: seed, Latency: sim.Exponential(o.meanLatency)},
		Events:   o.events, Nodes: o.nodes,
	})
	if err != nil {
		return o.explain(name, seed, err)
	}
	if o.resultAsJSON {
		return json.NewEncoder(out).Encode(r)
	}
	_, err = fmt.Fprintf(out, "%s seed %d: %d events, %d checks, %d joins, %d leaves, %d kills, %d restarts, %s, %d lookups in %s: all promises kept (%.1f s)\n",
		r.Overlay, r.Seed, r.Events, r.Checks, r.Joins, r.Leaves, r.Kills, r.Restarts, particular(&r), r.Lookups, r.Virtual, r.Seconds)
	return err
}

// particular is what happens in one overlay's runs only.
func particular(r *sim.SoakResult) string {
	if r.Calms == 0 {
		return fmt.Sprintf("%d cuts", r.Cuts)
	}
	return fmt.Sprintf("%d suspicions, %d forgeries, %d changes of the ring, ideal %d times", r.Suspicions, r.Forged, r.Changes, r.Calms)
}

// explain adds the command that replays a failure. It asks for as many events as
// before, since the last of them decide when a run's last calm begins.
func (o options) explain(name string, seed uint64, err error) error {
	var f *sim.Failure
	if !errors.As(err, &f) {
		return err
	}
	list := ""
	if name == "chord" {
		list = fmt.Sprintf(" --list %d", o.list)
	}
	return fmt.Errorf("%w\nreplay: go run ./scripts/sim --overlay %s --events %d --seed %d --nodes %d%s --latency %v",
		err, name, o.events, seed, o.nodes, list, o.meanLatency)
}

// machines are of the overlay asked for, with tables so small and upkeep so
// frequent that much happens in a small network.
func (o options) machines(name string) (sim.Overlay, error) {
	switch name {
	case "kademlia":
		return sim.CrowdedKademlia(), nil
	case "chord":
		return sim.CrowdedChord(o.list), nil
	}
	return nil, fmt.Errorf("unknown overlay %q: there are chord and kademlia, and both", name)
}
