package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

func gcCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:     "gc",
		Category: categoryRepo,
		Usage:    "reclaim what nothing shared or pinned needs",
		Flags:    nodeFlags(),
	}, 0, 0, gc)
}

func gc(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		show := in.progress()
		r, err := s.GC(ctx, show.update)
		show.done()
		if err != nil {
			return err
		}
		return in.result(r, func(w io.Writer) {
			fmt.Fprintf(w, "reclaimed %s in %s\n", size(r.Bytes), count(r.Blocks, "block"))
		})
	})
}
