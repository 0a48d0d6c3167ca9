// Command sim lets random misfortunes happen to small networks in virtual time
// and checks what each machine promises after every event. A check that fails
// prints the seed, the event, and the command that shows it again.
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
	"ringswap/kademlia"
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
	nodes        int
	meanLatency  time.Duration
	resultAsJSON bool
}

func run(args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	flags.StringVar(&o.overlay, "overlay", "kademlia", "overlay to run: kademlia")
	flags.Uint64Var(&o.events, "events", 1_000_000, "events of each run")
	flags.Uint64Var(&o.seed, "seed", 1, "seed of the first run")
	flags.Uint64Var(&o.seeds, "seeds", 1, "number of runs, each with the next seed")
	flags.IntVar(&o.nodes, "nodes", 24, "nodes at a time, about")
	flags.DurationVar(&o.meanLatency, "latency", 50*time.Millisecond, "mean delay of a message, exponentially distributed")
	flags.BoolVar(&o.resultAsJSON, "json", false, "print one JSON object for each run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	for i := range o.seeds {
		if err := o.soak(o.seed+i, out); err != nil {
			return err
		}
	}
	return nil
}

// soak makes one run.
func (o options) soak(seed uint64, out io.Writer) error {
	machines, err := o.machines()
	if err != nil {
		return err
	}
	r, err := sim.Soak(sim.SoakConfig{
		Settings: sim.Settings{Overlay: machines, Seed: seed, Latency: sim.Exponential(o.meanLatency)},
		Events:   o.events, Nodes: o.nodes,
	})
	if err != nil {
		return o.explain(seed, err)
	}
	if o.resultAsJSON {
		return json.NewEncoder(out).Encode(r)
	}
	_, err = fmt.Fprintf(out, "%s seed %d: %d events, %d checks, %d joins, %d leaves, %d kills, %d restarts, %d cuts, %d lookups in %s: all promises kept (%.1f s)\n",
		r.Overlay, r.Seed, r.Events, r.Checks, r.Joins, r.Leaves, r.Kills, r.Restarts, r.Cuts, r.Lookups, r.Virtual, r.Seconds)
	return err
}

// explain adds the command that replays a failure, up to its event.
func (o options) explain(seed uint64, err error) error {
	var f *sim.Failure
	if !errors.As(err, &f) {
		return err
	}
	return fmt.Errorf("%w\nreplay: go run ./scripts/sim --overlay %s --events %d --seed %d --nodes %d --latency %v",
		err, o.overlay, f.Event+1, seed, o.nodes, o.meanLatency)
}

// machines are of the overlay asked for, with buckets so small and upkeep so
// frequent that much happens in a small network.
func (o options) machines() (sim.Overlay, error) {
	if o.overlay != "kademlia" {
		return nil, fmt.Errorf("unknown overlay %q: there is kademlia", o.overlay)
	}
	var cfg kademlia.Config
	cfg.K, cfg.Lookup.Beta = 3, 2
	cfg.Table.Refresh, cfg.Table.Spares, cfg.Table.PingAfter = 2*time.Minute, 2, 10*time.Second
	return sim.Kademlia{Config: cfg}, nil
}
