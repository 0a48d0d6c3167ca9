package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"ringswap/internal/api"
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

// errHostEnded is the reason to go on with a node of one's own.
var errHostEnded = errors.New("the command that ran the node has ended")

func share(ctx context.Context, in *invocation) error {
	err := in.with(ctx, func(s *session) error {
		for _, path := range in.args {
			if _, err := shareOne(ctx, in, s, path, 0); err != nil {
				return err
			}
		}
		return keepSharing(ctx, in, s)
	})
	for errors.Is(err, errHostEnded) {
		in.info("%v; going on without it", err)
		err = in.with(ctx, func(s *session) error { return keepSharing(ctx, in, s) })
	}
	return err
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
	switch {
	case shared.Warning != "":
		in.warn("%s", printable(shared.Warning))
	case shared.Announced == 0:
		in.info("no other node is known yet; the first ones will be told that it is shared here")
	}
	return shared, in.result(shared, func(w io.Writer) {
		fmt.Fprintf(w, "shared %s (%s, %s)\n", printable(shared.Name), size(shared.Size), count(shared.Chunks, "chunk"))
		fmt.Fprintf(w, "  CID   %s\n", shared.Cid)
		fmt.Fprintf(w, "  link  '%s'\n", shared.Link) // quoted, since shells take & and ? for themselves
		fmt.Fprintf(w, "  get   peer get %s\n", shared.Cid)
	})
}

// keepSharing shows who takes what until the user ends it, which is how sharing
// is meant to end, or leaves it to a daemon.
func keepSharing(ctx context.Context, in *invocation, s *session) error {
	if s.lasting {
		in.info("the daemon serves it from now on; peer rm ends that")
		return nil
	}
	in.info("sharing until Ctrl-C; keep this open until the others have it")
	show := in.live()
	defer show.done()
	var failed error
	for a, err := range s.Activity(ctx) {
		if err != nil {
			failed = err
			break
		}
		show.update(describe(a))
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case s.local == nil && hostEnded(failed):
		return errHostEnded
	case failed == nil:
		return errors.New("the node stopped sharing")
	}
	return failed
}

// hostEnded says whether the process that ran the node went away.
func hostEnded(err error) bool {
	return errors.Is(err, api.ErrLost) || errors.Is(err, api.ErrNoDaemon) ||
		err != nil && node.AsError(err).Kind == node.KindInterrupted
}
