package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"ringswap/internal/api"
	"ringswap/internal/node"
)

func runCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:     "run",
		Category: categoryMain,
		Usage:    "run the node as a daemon, in the foreground",
		Description: `The daemon shares what was shared before and serves the other commands, which
then need not start a node of their own. It prints its addresses and a line
"ready" when it answers. Ctrl-C ends it and leaves everything sound.

Examples:
   peer run
   peer run --bootstrap /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW...
   peer run --limit-up 2MB --network friends
   peer run --overlay chord --recursive --bootstrap MULTIADDR

All nodes of a network run the same overlay. A node whose way in leads into
another one says so: peer status.`,
		Flags: append(nodeFlags(), &cli.StringSliceFlag{
			Name: "tracker", EnvVars: []string{"PEER_TRACKER"}, Hidden: true,
			Usage: "not in this version",
		}),
	}, 0, 0, runDaemon)
}

// readyEvent is the first line of a daemon in JSON.
type readyEvent struct {
	Event string `json:"event"`
	node.Identity
	PID  int    `json:"pid"`
	Repo string `json:"repo"`
}

// activityEvent is what goes on, whenever it changed.
type activityEvent struct {
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
	node.Activity
}

func runDaemon(ctx context.Context, in *invocation) (err error) {
	cfg, err := in.nodeConfig()
	if err != nil {
		return err
	}
	if len(in.cli.StringSlice("tracker")) > 0 {
		return usageError("peer run --bootstrap MULTIADDR", "this version has no tracker client yet, so --tracker cannot be used")
	}
	s, err := in.patiently(ctx, cfg.Repo, func() (*session, error) {
		if c, err := api.Dial(ctx, cfg.Repo); err == nil {
			return nil, &node.Error{
				Kind: node.KindFailed,
				What: "the node of this repo runs already",
				Why:  fmt.Sprintf("process %d has it", c.Hello().PID),
				Try:  "peer status",
			}
		}
		return in.start(ctx, cfg, true)
	})
	if err != nil {
		if ctx.Err() != nil { // stopped before it began
			return nil
		}
		return err
	}
	defer func() {
		if e := s.close(ctx); err == nil {
			err = e
		}
	}()
	if err := announceReady(ctx, in, s, cfg.Repo); err != nil {
		return err
	}
	return watchDaemon(ctx, in, s)
}

func announceReady(ctx context.Context, in *invocation, s *session, repo string) error {
	id, err := s.Identity(ctx)
	if err != nil {
		return err
	}
	return in.result(readyEvent{"ready", id, os.Getpid(), repo}, func(w io.Writer) {
		fmt.Fprintf(w, "peer %s on the %s network %s\n", id.ID, id.Overlay, id.Network)
		for _, a := range id.Addrs {
			fmt.Fprintf(w, "  %s\n", a)
		}
		fmt.Fprintln(w, "ready")
	})
}

// watchDaemon returns when the daemon is told to stop, or cannot go on.
func watchDaemon(ctx context.Context, in *invocation, s *session) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.served: // the control API broke
			cancel()
		case <-ctx.Done():
		}
	}()
	if in.json || in.verbose {
		if err := logActivity(ctx, in, s); err != nil {
			return err
		}
	}
	<-ctx.Done()
	select {
	case <-s.served:
		return s.err
	default:
		return nil
	}
}

// logActivity writes the node's traffic down whenever it changed, until ctx
// ends.
func logActivity(ctx context.Context, in *invocation, s *session) error {
	var last node.Activity
	for a, err := range s.Activity(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if a == last {
			continue
		}
		last = a
		if !in.json {
			in.info("%s", describe(a))
			continue
		}
		if err := in.object(activityEvent{"activity", time.Now().UTC(), a}); err != nil {
			return err
		}
	}
	return nil
}

// describe is the node's traffic in one line.
func describe(a node.Activity) string {
	s := count(a.Peers, "peer")
	if a.Serving > 0 {
		s += fmt.Sprintf(", serving %d", a.Serving)
	}
	if a.Fetching > 0 {
		s += fmt.Sprintf(", fetching %d", a.Fetching)
	}
	return fmt.Sprintf("%s, up %s (%s), down %s (%s)", s, rate(a.RateOut), size(a.BytesOut), rate(a.RateIn), size(a.BytesIn))
}
