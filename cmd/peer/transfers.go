package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func transfersCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:     "transfers",
		Aliases:  []string{"queue"},
		Category: categoryMain,
		Usage:    "show what is fetched, what waits for it, and what is given",
		Description: `First what is fetched or waits, in its order, then what is here whole, with how
much of it was given and for how long. To see with whom: peer swarm CID.

Examples:
   peer transfers
   peer transfers --json`,
		Flags: nodeFlags(),
	}, 0, 0, transfers)
}

func transfers(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		s.sayIfTemporary()
		heads := []string{"STATE", "DONE", "OF", "DOWN", "UP", "PEERS", "GIVEN", "RATIO", "FOR", "CID", "NAME", ""}
		t := newTableOf(in, heads, transferRow)
		if err := each(in, s.Transfers(ctx), t); err != nil {
			return err
		}
		if t.rows == 0 {
			in.info("nothing is fetched and nothing is shared; try: peer get CID --queue, or peer share FILE")
		}
		return nil
	})
}

func transferRow(t node.Transfer) []string {
	of, state, why := "-", t.State, t.Why
	if t.Size > 0 {
		of = size(t.Size)
	}
	if t.Again > 0 {
		why += " (again in " + seconds(t.Again) + ")"
	}
	if t.Try != "" && t.State == "failed" {
		why += "; try: " + t.Try
	}
	return []string{
		state, size(t.Done), of, rateOrDash(t.RateIn), rateOrDash(t.RateOut), strconv.Itoa(t.Peers),
		size(t.Sent), fmt.Sprintf("%.2f", t.Ratio), span(t.Seconds), t.Cid, orDash(t.Name), why,
	}
}

func rateOrDash(r float64) string {
	if r <= 0 {
		return "-"
	}
	return rate(r)
}

// titled is a CID with what it is called, if that is known.
func titled(cid, name string) string { return strings.TrimSpace(cid + "  " + printable(name)) }
