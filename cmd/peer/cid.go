package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"
)

func cidCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "cid",
		Category:  categoryRepo,
		Usage:     "only compute CIDs; touches neither network nor store",
		ArgsUsage: "PATH...",
		Description: `The CID is the one that share would print, and that Kubo computes under its
profile unixfs-v1-2025.

Example:
   peer cid movie.mkv`,
		Flags: []cli.Flag{hiddenFlag()},
	}, 1, -1, cidOf)
}

// cidResult is one computed CID.
type cidResult struct {
	Path string `json:"path"`
	Cid  string `json:"cid"`
	Size int64  `json:"size"`
}

func cidOf(ctx context.Context, in *invocation) error {
	for _, path := range in.args {
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		show := in.progress()
		shared, err := in.program.computeCID(ctx, abs, in.cli.Bool("hidden"), show.update)
		show.done()
		if err != nil {
			return err
		}
		err = in.result(cidResult{path, shared.Cid, shared.Size}, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s\n", shared.Cid, printable(path))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
