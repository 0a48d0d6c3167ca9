package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

func idCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:        "id",
		Category:    categoryNetwork,
		Usage:       "show who this node is and where it is reached",
		Description: `The addresses can be pasted after --bootstrap on another machine.`,
		Flags:       nodeFlags(),
	}, 0, 0, id)
}

func id(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		s.sayIfTemporary()
		id, err := s.Identity(ctx)
		if err != nil {
			return err
		}
		return in.result(id, func(w io.Writer) {
			t := newTable(w)
			t.row("id", id.ID)
			t.row("network", id.Network+" ("+id.Overlay+")")
			t.row("version", id.Version)
			t.flush()
			fmt.Fprintln(w, "addresses")
			for _, a := range id.Addrs {
				fmt.Fprintf(w, "  %s\n", a)
			}
		})
	})
}
