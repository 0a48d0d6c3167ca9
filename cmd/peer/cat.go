package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func catCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "cat",
		Category:  categoryMain,
		Usage:     "write a file to stdout, in order, as it arrives",
		ArgsUsage: "CID|LINK",
		Description: `Examples:
   peer cat bafy... | tar tv
   peer cat bafy.../docs/readme.md
   peer cat bafy... --offset 1048576 --length 100 | xxd`,
		Flags: append([]cli.Flag{
			&cli.Int64Flag{Name: "offset", Usage: "begin at byte `N`"},
			&cli.Int64Flag{Name: "length", Value: -1, DefaultText: "to the end", Usage: "write at most `N` bytes"},
			waitFlag(),
		}, nodeFlags()...),
	}, 1, 1, cat)
}

func cat(ctx context.Context, in *invocation) error {
	wait, err := in.wait()
	if err != nil {
		return err
	}
	req := node.CatRequest{Ref: in.args[0], Offset: in.cli.Int64("offset"), Length: in.cli.Int64("length"), Wait: wait}
	switch {
	case req.Offset < 0:
		return usageError("peer cat CID --offset 0", "--offset %d is before the file's beginning", req.Offset)
	case req.Length < 0 && in.given["length"]:
		return usageError("peer cat CID", "--length %d is negative; without --length it writes to the end", req.Length)
	}
	return in.with(ctx, func(s *session) error {
		return resumable(s.Cat(ctx, req, in.stdout))
	})
}
