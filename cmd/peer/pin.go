package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func pinCommand(p *program) *cli.Command {
	c := p.command(&cli.Command{
		Name:     "pin",
		Category: categoryRepo,
		Usage:    "keep what a CID names in the repo: ls, add, rm",
		Subcommands: []*cli.Command{
			p.command(&cli.Command{
				Name: "ls", Usage: "list the pins", Flags: nodeFlags(), HelpName: "peer pin ls",
			}, 0, 0, pinLs),
			p.command(&cli.Command{
				Name: "add", Usage: "fetch, and keep until it is unpinned", ArgsUsage: "CID|LINK...", HelpName: "peer pin add",
				Flags: nodeFlags(),
			}, 1, -1, pinAdd),
			p.command(&cli.Command{
				Name: "rm", Usage: "keep no longer; gc reclaims it", ArgsUsage: "CID...", HelpName: "peer pin rm",
				Flags: nodeFlags(),
			}, 1, -1, pinRm),
		},
		Description: `Examples:
   peer pin add bafy...
   peer pin ls
   peer pin rm bafy...`,
	}, 0, 0, func(context.Context, *invocation) error {
		return usageError("peer pin ls", "peer pin needs to know what to do: ls, add or rm")
	})
	return c
}

func pinLs(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		pins := newTableOf(in, nil, func(p node.Pin) []string { return []string{p.Cid} })
		if err := each(in, s.Pins(ctx), pins); err != nil {
			return err
		}
		if pins.rows == 0 {
			in.info("nothing is pinned")
		}
		return nil
	})
}

func pinAdd(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		for _, ref := range in.args {
			show := in.progress()
			pin, err := s.Pin(ctx, ref, show.update)
			show.done()
			if err != nil {
				return resumable(err)
			}
			if err := printPin(in, "pinned", pin); err != nil {
				return err
			}
		}
		return nil
	})
}

func pinRm(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		for _, ref := range in.args {
			pin, err := s.Unpin(ctx, ref)
			if err != nil {
				return err
			}
			if err := printPin(in, "unpinned", pin); err != nil {
				return err
			}
		}
		return nil
	})
}

func printPin(in *invocation, did string, pin node.Pin) error {
	return in.result(pin, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", did, pin.Cid) })
}
