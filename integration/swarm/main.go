// Command swarm measures real swarms: peer processes, each on a machine of its
// own with a link of given rates, get one file from one seed at the same time.
// Times are given as ratios to the fluid bound: what these links allow at best.
// The network is made for the occasion and leads nowhere else; that needs root
// on Linux, and iproute2.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"ringswap/integration/program"
)

func main() {
	var s setting
	var size, seedUp, up, down float64
	runs := flag.Int("runs", 1, "swarms to measure; each prints its own figures")
	asJSON := flag.Bool("json", false, "one JSON object a swarm")
	timeout := flag.Duration("timeout", 10*time.Minute, "give up after this time")
	flag.IntVar(&s.Leechers, "leechers", 8, "peers that get the file")
	flag.IntVar(&s.FreeRiders, "free-riders", 0, "how many of them serve nobody")
	flag.Float64Var(&size, "size", 64, "size of the file, in MiB")
	flag.Float64Var(&seedUp, "seed-up", 40, "the seed's upload rate, in Mbit/s")
	flag.Float64Var(&up, "up", 20, "a leecher's upload rate, in Mbit/s")
	flag.Float64Var(&down, "down", 160, "a peer's download rate, in Mbit/s")
	flag.StringVar(&s.Transport, "transport", "tcp", "tcp or quic")
	flag.StringVar(&s.Overlay, "overlay", "kademlia", "kademlia or chord")
	flag.BoolVar(&s.Verbose, "verbose", false, "show what the peers say")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "swarm measures real swarms on shaped links (root, Linux).\n\n"+
			"usage: go run ./integration/swarm [flags]\n\n"+
			"  go run ./integration/swarm                  # eight that give\n"+
			"  go run ./integration/swarm --free-riders 3  # three of them do not\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	s.Size, s.SeedUp, s.Up, s.Down = int64(size*(1<<20)), int64(seedUp*1e6), int64(up*1e6), int64(down*1e6)
	if err := s.validate(); err != nil || flag.NArg() > 0 || *runs < 1 {
		fmt.Fprintln(os.Stderr, "swarm:", err)
		flag.Usage()
		os.Exit(2)
	}
	if err := measure(s, *runs, *asJSON, *timeout); err != nil {
		fmt.Fprintln(os.Stderr, "swarm:", err)
		os.Exit(1)
	}
}

func measure(s setting, runs int, asJSON bool, timeout time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "swarm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := program.Build(ctx, dir)
	if err != nil {
		return err
	}
	for range runs {
		r, err := s.run(ctx, dir, binary)
		if err != nil {
			return err
		}
		if asJSON {
			err = json.NewEncoder(os.Stdout).Encode(r)
		} else {
			err = print(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func print(r report) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tmeasured\tbound")
	for _, f := range r.figures() {
		fmt.Fprintf(w, "%s\t%.3f\t%s\n", f.name, f.value, f.bound)
	}
	for _, p := range r.Peers {
		fmt.Fprintf(w, "%s\t%.1f s\treceived %.1f MiB, %.1f MiB when the last giver was done\n", p.Name, p.Seconds, mib(p.Received), mib(p.AtMark))
	}
	return w.Flush()
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
