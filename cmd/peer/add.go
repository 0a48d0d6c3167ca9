package main

import (
	"context"

	"github.com/urfave/cli/v2"
)

func addCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "add",
		Category:  categoryMain,
		Usage:     "share, and count the copies that other nodes hold",
		ArgsUsage: "PATH...",
		Description: `Like share, but it returns when done, with or without a daemon. This version
does not push copies to other nodes yet: it says so, and reports none as
acknowledged. What was added is served while a daemon runs (peer run).

Example:
   peer add --replicas 3 thesis.pdf`,
		Flags: append([]cli.Flag{
			&cli.IntFlag{Name: "replicas", Value: 3, Usage: "the `N` responsible nodes that are to hold a copy"},
			hiddenFlag(),
		}, nodeFlags()...),
	}, 1, -1, add)
}

func add(ctx context.Context, in *invocation) error {
	replicas := in.cli.Int("replicas")
	if replicas < 1 || replicas > 100 {
		return usageError("peer add --replicas 3 PATH", "--replicas %d is not between 1 and 100", replicas)
	}
	return in.with(ctx, func(s *session) error {
		for _, path := range in.args {
			shared, err := shareOne(ctx, in, s, path, replicas)
			if err != nil {
				return err
			}
			if *shared.UnderReplicated > 0 {
				in.warn("%s of %s have fewer than %s on other nodes (%d acknowledged): this version does not push copies yet",
					count(*shared.UnderReplicated, "chunk"), printable(shared.Name), count(replicas, "copy"), *shared.Acked)
			}
		}
		if !s.lasting {
			in.warn("no daemon runs on this repo, so nobody serves this until one does: peer run")
		}
		return nil
	})
}
