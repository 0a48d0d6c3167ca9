// Command bench measures the figures that ringswap promises, each as a ratio to
// something physical that is measured in the same run, and prints them with
// their bounds. It builds the programs it measures, talks only to loopback, and
// ends by itself.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// figure is one measured line.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Bound is the most that is promised, or with AtLeast the least; 0 means that
	// nothing is.
	Bound   float64 `json:"bound,omitempty"`
	AtLeast bool    `json:"at_least,omitempty"`
	Note    string  `json:"note,omitempty"`
}

func (f figure) holds() bool {
	return f.Bound == 0 || f.Value == f.Bound || f.AtLeast == (f.Value > f.Bound)
}

// options are the flags.
type options struct {
	size    int64
	runs    int
	dir     string
	json    bool
	only    string
	overlay string
	timeout time.Duration
}

func main() {
	var o options
	sizeMiB := flag.Int64("size", 1024, "size of the file, in MiB")
	flag.IntVar(&o.runs, "runs", 5, "runs of each transfer; the median counts")
	flag.StringVar(&o.dir, "dir", "", "folder for the files (default: the system's temporary folder)")
	flag.BoolVar(&o.json, "json", false, "one JSON object a figure instead of a table")
	flag.StringVar(&o.only, "only", "", "comma-separated part of: start, share, get, first, capped, small, lookup")
	flag.StringVar(&o.overlay, "overlay", "kademlia", "the overlay that the daemons live in")
	flag.DurationVar(&o.timeout, "timeout", 40*time.Minute, "give up after this time")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "bench measures ringswap's figures on loopback.\n\nusage: go run ./scripts/bench [flags]\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.size = *sizeMiB << 20
	if o.size <= 0 || o.runs <= 0 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	parts := []struct {
		name string
		f    func(context.Context) ([]figure, error)
	}{
		{"start", b.start},
		{"share", b.share},
		{"get", b.get},
		{"first", b.first},
		{"capped", b.capped},
		{"small", b.small},
		{"lookup", b.lookup},
	}
	for _, p := range parts {
		if o.only != "" && !slices.Contains(strings.Split(o.only, ","), p.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring: %s\n", p.name)
		figures, err := p.f(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err := report(p.name, figures, o.json); err != nil {
			return err
		}
	}
	return nil
}

// report prints the figures of a part as soon as they are there: what a later part
// meets does not cost them.
func report(part string, figures []figure, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		for _, f := range figures {
			if err := enc.Encode(f); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\tmeasured\tbound\t\t\n", part)
	for _, f := range figures {
		bound, verdict := "-", ""
		if f.Bound > 0 {
			sign := "<="
			if f.AtLeast {
				sign = ">="
			}
			bound, verdict = fmt.Sprintf("%s %.3g %s", sign, f.Bound, f.Unit), "holds"
			if !f.holds() {
				verdict = "MISSED"
			}
		}
		fmt.Fprintf(w, "%s\t%.3g %s\t%s\t%s\t%s\n", f.Name, f.Value, f.Unit, bound, verdict, f.Note)
	}
	return w.Flush()
}

// median of at least one value.
func median[T cmp.Ordered](values []T) T {
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}

// spread says how far apart the values are, for the notes.
func spread(values []float64) string {
	s := slices.Sorted(slices.Values(values))
	return fmt.Sprintf("%.2f to %.2f", s[0], s[len(s)-1])
}
