package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func allFlag(what string) cli.Flag {
	return &cli.BoolFlag{Name: "all", Usage: what, DisableDefaultText: true}
}

func pauseCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "pause",
		Category:  categoryMain,
		Usage:     "neither fetch nor serve something for a while",
		ArgsUsage: "CID|LINK...",
		Description: `What came so far stays, and a command that waits for it waits on. What is paused
stays so until peer resume, also when the daemon is started again.

Examples:
   peer pause bafy...
   peer pause --all`,
		Flags: append([]cli.Flag{allFlag("pause everything")}, nodeFlags()...),
	}, 0, -1, func(ctx context.Context, in *invocation) error { return in.control(ctx, node.ActionPause) })
}

func resumeCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "resume",
		Category:  categoryMain,
		Usage:     "go on with what is paused, rests or failed",
		ArgsUsage: "CID|LINK...",
		Description: `A transfer goes on where it was, in its turn. What rests since its seeding goal was
reached is served again, from then on without a goal.

Examples:
   peer resume bafy...
   peer resume --all`,
		Flags: append([]cli.Flag{allFlag("go on with everything")}, nodeFlags()...),
	}, 0, -1, func(ctx context.Context, in *invocation) error { return in.control(ctx, node.ActionResume) })
}

func cancelCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "cancel",
		Category:  categoryMain,
		Usage:     "fetch something no longer",
		ArgsUsage: "CID|LINK...",
		Description: `Takes a transfer out of the queue. What came of it stays beside its place, so that
a later peer get goes on where it was. To stop sharing something: peer rm.

Example:
   peer cancel bafy...`,
		Flags: nodeFlags(),
	}, 1, -1, func(ctx context.Context, in *invocation) error { return in.control(ctx, node.ActionCancel) })
}

// done is what each action is called when it has happened.
var done = map[node.Action]string{node.ActionPause: "paused", node.ActionResume: "resumed", node.ActionCancel: "cancelled"}

// control does something with the CIDs that are given, or with all.
func (in *invocation) control(ctx context.Context, action node.Action) error {
	refs := in.args
	switch all := action != node.ActionCancel && in.cli.Bool("all"); {
	case all && len(refs) > 0:
		return usageError("peer "+string(action)+" --all", "--all leaves nothing to be named, but %q is", refs[0])
	case all:
		refs = []string{""}
	case len(refs) == 0:
		return usageError("peer "+string(action)+" CID, or peer "+string(action)+" --all", "peer %s needs to know what to %s", action, action)
	}
	return in.with(ctx, func(s *session) error {
		for _, ref := range refs {
			found, err := s.Control(ctx, node.ControlRequest{Ref: ref, Action: action})
			if err != nil {
				return err
			}
			if len(found) == 0 {
				in.info("there is nothing to %s", action)
			}
			for _, t := range found {
				err := in.result(t, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", done[action], titled(t.Cid, t.Name)) })
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}
