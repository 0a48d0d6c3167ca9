package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

// demoBound is the time in which the demo ends, whatever happens.
const demoBound = 120 * time.Second

func demoCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:     "demo",
		Category: categoryTools,
		Usage:    "show it at work: several nodes on this machine share and fetch",
		Description: `Starts nodes as processes of their own on the loopback interface, and prints
every command it runs, so that you can run them yourself. Nothing leaves this
machine, and your repo is not touched. It does so on one overlay after the
other, then lets five nodes swap a file of which one only takes and says what came
of that, and ends by itself, with code 0 only if every byte arrived.

Examples:
   peer demo
   peer demo --overlay chord --size 16MiB`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "overlay", Value: demoAll, Usage: "the `NAME` of the overlay to show: " + strings.Join(node.Overlays(), ", ") + " or " + demoAll},
			&cli.BoolFlag{Name: "keep", Usage: "keep the folder with all repos, files and logs"},
			&cli.StringFlag{Name: "size", Value: "64MiB", Usage: "the `SIZE` of the file that is shared, at least 4MiB"},
		},
	}, 0, 0, runDemo)
}

func runDemo(ctx context.Context, in *invocation) (err error) {
	size, err := in.rate("size", parseRate)
	if err != nil {
		return err
	}
	if size < 4<<20 {
		return usageError("peer demo --size 64MiB", "--size %s is less than 4MiB", in.cli.String("size"))
	}
	overlays, err := demoOverlays(in.cli.String("overlay"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, demoBound, errDemoTooLong)
	defer cancel()
	begin := time.Now()
	for i, name := range overlays {
		if err := demoOverlay(ctx, in, name, size, i == len(overlays)-1); err != nil {
			if cause := context.Cause(ctx); errors.Is(cause, errDemoTooLong) {
				return &node.Error{Kind: node.KindTimeout, What: cause.Error(), Why: err.Error(), Try: "peer demo --keep, and look at the logs"}
			}
			return err
		}
	}
	if len(overlays) > 1 && !in.quiet {
		fmt.Fprintf(in.stdout, "\nOn %s: everything matched, in %s.\n", strings.Join(overlays, " and on "), seconds(time.Since(begin).Seconds()))
	}
	return nil
}

// demoAll as --overlay shows all of them.
const demoAll = "both"

// demoOverlays are those that --overlay names, the default one first.
func demoOverlays(name string) ([]string, error) {
	all := node.Overlays()
	switch {
	case name == demoAll:
		slices.SortStableFunc(all, func(a, b string) int {
			if a == b || a != node.OverlayKademlia && b != node.OverlayKademlia {
				return 0
			} else if a == node.OverlayKademlia {
				return -1
			}
			return 1
		})
		return all, nil
	case slices.Contains(all, name):
		return []string{name}, nil
	}
	return nil, usageError("peer demo", "there is no overlay %q to show; it is %s or %s", name, strings.Join(all, ", "), demoAll)
}

// demoOverlay is the demonstration on one overlay. last says that no other comes
// after it, so that it also shows what has nothing to do with overlays.
func demoOverlay(ctx context.Context, in *invocation, name string, size int64, last bool) (err error) {
	d, err := newDemo(in, name, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.end(err, in.cli.Bool("keep"))) }()
	begin := time.Now()
	for i, step := range d.steps(last) {
		d.say("\n%d. %s\n", i+1, step.title)
		if err := step.run(ctx); err != nil {
			return err
		}
	}
	d.say("\nEverything matched on %s, in %s.\n", name, seconds(time.Since(begin).Seconds()))
	return nil
}

var errDemoTooLong = fmt.Errorf("the demo did not end within %v", demoBound)
