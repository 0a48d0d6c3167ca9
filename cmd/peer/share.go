package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func hiddenFlag() cli.Flag {
	return &cli.BoolFlag{Name: "hidden", Usage: "take hidden files of folders, too"}
}

func shareCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "share",
		Category:  categoryMain,
		Usage:     "share files and folders where they are, and print their CIDs",
		ArgsUsage: "PATH...",
		Description: `Files are hashed in place; nothing is copied. With a daemon the command returns
once the shares are announced. Without one it keeps sharing until Ctrl-C.
A shared file that changes is no longer served: share it again.

Examples:
   peer share movie.mkv
   peer share --hidden ~/project notes.txt`,
		Flags: append([]cli.Flag{hiddenFlag()}, nodeFlags()...),
	}, 1, -1, share)
}

func share(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		for _, path := range in.args {
			if _, err := shareOne(ctx, in, s, path, 0); err != nil {
				return err
			}
		}
		if s.lasting {
			in.info("the daemon serves it from now on; peer rm ends that")
			return nil
		}
		return keepSharing(ctx, in, s)
	})
}

// shareOne shares one path and prints what became of it.
func shareOne(ctx context.Context, in *invocation, s *session, path string, replicas int) (node.Shared, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return node.Shared{}, err
	}
	show := in.progress()
	shared, err := s.Share(ctx, node.ShareRequest{Path: abs, Hidden: in.cli.Bool("hidden"), Replicas: replicas}, show.update)
	show.done()
	if err != nil {
		return node.Shared{}, err
	}
	if replicas > 0 && shared.Replicas == nil {
		none, all := 0, shared.Chunks
		shared.Replicas, shared.Acked, shared.UnderReplicated = &replicas, &none, &all
	}
	return shared, in.result(shared, func(w io.Writer) {
		fmt.Fprintf(w, "shared %s (%s, %s)\n", printable(shared.Name), size(shared.Size), count(shared.Chunks, "chunk"))
		fmt.Fprintf(w, "  CID   %s\n", shared.Cid)
		fmt.Fprintf(w, "  link  '%s'\n", shared.Link) // quoted, since shells take & and ? for themselves
		fmt.Fprintf(w, "  get   peer get %s\n", shared.Cid)
	})
}

// keepSharing shows who takes what until the user ends it, which is how sharing
// is meant to end.
func keepSharing(ctx context.Context, in *invocation, s *session) error {
	in.info("sharing until Ctrl-C; keep this open until the others have it")
	show := in.live()
	defer show.done()
	for a, err := range s.Activity(ctx) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		show.update(describe(a))
	}
	if ctx.Err() == nil {
		return errors.New("the node stopped sharing")
	}
	return nil
}
