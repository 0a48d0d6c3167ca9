package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func waitFlag() cli.Flag {
	return &cli.DurationFlag{
		Name: "wait", DefaultText: "1m0s",
		Usage: "how long (`DURATION`, such as 90s or 10m) to look for someone who has it",
	}
}

func getCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "get",
		Category:  categoryMain,
		Usage:     "fetch files and folders",
		ArgsUsage: "CID|LINK...",
		Description: `Fetches from everyone who has it at once, verifies every chunk, and writes it
under its name into this folder, or where -o says. What is there already is not
fetched again, so an interrupted get goes on where it was. Another file in that
place is not overwritten without --force. With a path behind the CID, only what is
there in its folder is fetched; it then has a CID of its own. Several are fetched
one after the other, into one folder.

What is rare comes first. With --in-order it comes from the beginning to the end
instead: a player can open NAME.part while it grows. That is no help to others, so
use it only for that.

Examples:
   peer get bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64
   peer get 'peer:bafy...?name=movie.mkv&at=...' -o ~/Videos
   peer get bafy.../photos/2024 -o ~/Pictures
   peer get bafy.../talk.pdf bafy.../slides -o ~/talk/
   peer get bafy.../movie.mkv --in-order
   peer get bafy... --limit 500KiB --wait 10m
   peer get bafy... --queue         # the daemon fetches it, over restarts, too: peer transfers`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, DefaultText: "this folder", Usage: "write to `PATH`; a folder takes it under its own name"},
			&cli.StringFlag{Name: "limit", DefaultText: "0, no limit", Usage: "receive at most `RATE` bytes a second for this (2MB, 500KiB); peer limit CID changes it"},
			&cli.BoolFlag{Name: "force", Usage: "replace another file in that place"},
			&cli.BoolFlag{Name: "in-order", Usage: "fetch from the beginning to the end, to play it while it comes", DisableDefaultText: true},
			&cli.BoolFlag{Name: "queue", Usage: "leave it to the daemon and return at once", DisableDefaultText: true},
			waitFlag(),
		}, nodeFlags()...),
	}, 1, -1, get)
}

func get(ctx context.Context, in *invocation) error {
	req, err := getRequest(in)
	if err != nil {
		return err
	}
	for _, ref := range in.args[1:] { // before the first is fetched
		if err := node.CheckRef(ref); err != nil {
			return usageError("peer get "+in.args[0]+" -o "+ref+", if that is where to put it", "%s", node.AsError(err).What)
		}
	}
	one := getNow
	if in.cli.Bool("queue") {
		one = enqueue
	}
	return in.with(ctx, func(s *session) error {
		for _, ref := range in.args {
			req.Ref = ref
			if err := one(ctx, in, s, req); err != nil {
				return err
			}
		}
		return nil
	})
}

// getNow fetches one thing and waits for it.
func getNow(ctx context.Context, in *invocation, s *session, req node.GetRequest) error {
	show := in.progress()
	got, err := s.Get(ctx, req, show.update)
	show.done()
	if err != nil {
		return resumable(err)
	}
	if got.Peers == nil {
		got.Peers = []node.GotPeer{} // an array for programs
	}
	return in.result(got, func(w io.Writer) { printGot(w, got) })
}

// enqueue leaves a transfer to the daemon, of now or of later.
func enqueue(ctx context.Context, in *invocation, s *session, req node.GetRequest) error {
	t, err := s.Enqueue(ctx, req)
	if err != nil {
		return err
	}
	if !s.lasting {
		in.warn("no daemon runs on this repo, so it is fetched when one does: peer run")
	}
	return in.result(t, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s\n  to  %s\n  see peer transfers\n", t.State, t.Cid, printable(t.Path))
	})
}

// getRequest is what the flags say, without what to fetch.
func getRequest(in *invocation) (req node.GetRequest, err error) {
	req = node.GetRequest{Force: in.cli.Bool("force"), InOrder: in.cli.Bool("in-order")}
	if req.Wait, err = in.wait(); err != nil {
		return req, err
	}
	if req.Limit, err = in.rate("limit", parseRate); err != nil {
		return req, err
	}
	out := in.cli.String("output")
	// It is to become a folder if it is none yet.
	if out != "" && (os.IsPathSeparator(out[len(out)-1]) || len(in.args) > 1) {
		if err := os.MkdirAll(out, 0o777); err != nil {
			return req, usageError("peer get CID -o PATH", "there is no folder %s and it cannot be made: %v", out, err)
		}
	}
	if out == "" {
		out = "."
	}
	if req.Path, err = filepath.Abs(out); err != nil {
		return req, usageError("peer get CID -o PATH", "%s has no absolute path: %v", out, err)
	}
	return req, nil
}

// wait is the value of --wait, 0 if it was not given.
func (in *invocation) wait() (time.Duration, error) {
	d := in.cli.Duration("wait")
	if d < 0 || (d == 0 && in.given["wait"]) {
		return 0, usageError(in.cli.Command.HelpName+" --wait 90s", "--wait %v is not a time to wait", d)
	}
	return d, nil
}

// resumable adds to an interruption how to go on.
func resumable(err error) error {
	if err == nil {
		return nil
	}
	e := *node.AsError(err)
	if e.Kind == node.KindInterrupted && e.Try == "" {
		e.Try = "the same command again; it goes on where it was"
	}
	if e.Err == nil {
		e.Err = errors.Unwrap(err)
	}
	return &e
}

// printGot says what came and who gave it.
func printGot(w io.Writer, got node.Got) {
	fetched := got.Size - got.Resumed
	fmt.Fprintf(w, "got %s (%s", printable(got.Path), size(got.Size))
	if got.Resumed > 0 {
		fmt.Fprintf(w, ", of which %s were there already", size(got.Resumed))
	}
	if got.Seconds > 0 && fetched > 0 {
		fmt.Fprintf(w, ") in %s, %s\n", seconds(got.Seconds), rate(float64(fetched)/got.Seconds))
	} else {
		fmt.Fprintln(w, ")")
	}
	if len(got.Peers) == 0 {
		if fetched > 0 {
			fmt.Fprintln(w, "  nothing from peers: the blocks were in the repo, or in files that are shared")
		}
		return
	}
	t := newTable(w)
	for _, p := range got.Peers {
		t.row("  from "+p.ID, size(p.Bytes), p.Path)
	}
	t.flush()
}
