package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func verifyCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:     "verify",
		Category: categoryRepo,
		Usage:    "re-hash everything that is shared or kept, and report damage",
		Description: `Ends with code 5 if something is damaged: a file that was shared has changed or
is gone, or the disk gives other bytes than it was given.`,
		Flags: nodeFlags(),
	}, 0, 0, verify)
}

func verify(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		show := in.progress()
		var found []node.Verified
		var failed error
		for v, err := range s.Verify(ctx, show.update) {
			if err != nil {
				failed = err
				break
			}
			found = append(found, v)
		}
		show.done()
		for _, v := range found {
			if err := in.result(v, func(w io.Writer) { printVerified(w, v) }); err != nil {
				return err
			}
		}
		if failed != nil {
			return failed
		}
		return verdict(found)
	})
}

func printVerified(w io.Writer, v node.Verified) {
	switch {
	case v.Path == "":
		fmt.Fprintf(w, "verified %s; %d damaged\n", size(v.Bytes), v.Bad)
	case v.Cid == "":
		fmt.Fprintf(w, "damaged %s: %s\n", printable(v.Path), printable(v.Why))
	default:
		fmt.Fprintf(w, "damaged %s at byte %d: %s\n  CID %s\n", printable(v.Path), v.Offset, printable(v.Why), v.Cid)
	}
}

// verdict is the error of a store with damage.
func verdict(found []node.Verified) error {
	bad := 0
	for _, v := range found {
		bad = max(bad, v.Bad)
	}
	if bad == 0 {
		return nil
	}
	return &node.Error{
		Kind: node.KindDamaged,
		What: fmt.Sprintf("%s damaged", isOrAre(bad, "place")),
		Why:  "a shared file was changed, moved or deleted, or the disk is failing",
		Try:  "peer share PATH again for files that were changed; peer get CID for those that were lost",
	}
}

func isOrAre(n int, noun string) string {
	if n == 1 {
		return count(n, noun) + " is"
	}
	return count(n, noun) + " are"
}
