package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

func rmCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "rm",
		Category:  categoryRepo,
		Usage:     "stop sharing; your files are never touched",
		ArgsUsage: "CID...",
		Description: `Example:
   peer rm bafy...`,
		Flags: nodeFlags(),
	}, 1, -1, rm)
}

func rm(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		for _, ref := range in.args {
			info, err := s.Unshare(ctx, ref)
			if err != nil {
				return err
			}
			err = in.result(info, func(w io.Writer) {
				fmt.Fprintf(w, "no longer shared: %s (%s)\n", printable(info.Path), info.Cid)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
