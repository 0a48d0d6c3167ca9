package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func limitCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "limit",
		Category:  categoryMain,
		Usage:     "show or change how fast, and how much at a time",
		ArgsUsage: "[CID|LINK]",
		Description: `Without flags it shows what is set. A change holds at once, for what runs too, and
until it is changed again: it is written down in the repo. With a CID it is about
what is fetched or shared under that CID alone, beside the limits of the node.
The flags --limit-up and --limit-down of a daemon hold for its run, until changed.

Examples:
   peer limit
   peer limit --up 2MB --down 0
   peer limit --up none             # serve nobody
   peer limit --at-once 3           # further transfers wait for their turn
   peer limit bafy... --down 500KiB`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "up", Usage: "send at most `RATE` bytes a second (2MB, 500KiB; 0 is no limit; none serves nobody)"},
			&cli.StringFlag{Name: "down", Usage: "receive at most `RATE` bytes a second; 0 is no limit"},
			&cli.IntFlag{Name: "at-once", DefaultText: "0, no limit", Usage: "fetch at most `N` things at a time; 0 is no limit"},
		}, nodeFlags()...),
	}, 0, 1, limit)
}

func limit(ctx context.Context, in *invocation) error {
	var change node.SettingsChange
	var err error
	up := parseUpRate
	if len(in.args) > 0 {
		up = parseRate
	}
	if change.LimitUp, err = in.optionalRate("up", up); err != nil {
		return err
	}
	if change.LimitDown, err = in.optionalRate("down", parseRate); err != nil {
		return err
	}
	if in.given["at-once"] {
		n := in.cli.Int("at-once")
		change.AtOnce = &n
	}
	if len(in.args) > 0 && change.AtOnce != nil {
		return usageError("peer limit --at-once N", "--at-once is for all transfers together, not for one CID")
	}
	return in.change(ctx, change)
}

// change sets something for the node, or for the CID that is given, and prints what
// holds then.
func (in *invocation) change(ctx context.Context, change node.SettingsChange) error {
	return in.with(ctx, func(s *session) error {
		if len(in.args) == 0 {
			set, err := s.Settings(ctx, change)
			if err != nil {
				return err
			}
			return in.result(set, func(w io.Writer) { printSettings(w, set) })
		}
		found, err := s.Control(ctx, node.ControlRequest{Ref: in.args[0], Change: change})
		if err != nil {
			return err
		}
		for _, t := range found {
			if err := in.result(t, func(w io.Writer) { printSet(w, t) }); err != nil {
				return err
			}
		}
		return nil
	})
}

func printSettings(w io.Writer, s node.Settings) {
	atOnce := "any number"
	if s.AtOnce > 0 {
		atOnce = fmt.Sprint(s.AtOnce)
	}
	t := newTable(w)
	t.row("up", limitText(s.LimitUp))
	t.row("down", limitText(s.LimitDown))
	t.row("transfers at a time", atOnce)
	t.row("seeding of what was fetched", goalText(s.Goal))
	t.flush()
}

// printSet is what is set for one CID.
func printSet(w io.Writer, x node.Transfer) {
	fmt.Fprintln(w, titled(x.Cid, x.Name))
	t := newTable(w)
	t.row("  state", x.State)
	t.row("  up", limitText(x.LimitUp))
	t.row("  down", limitText(x.LimitDown))
	t.row("  seeding", goalText(x.Goal))
	t.flush()
}

func limitText(r int64) string {
	switch r {
	case node.ServeNobody:
		return "none: it serves nobody"
	case 0:
		return "no limit"
	}
	return rate(float64(r))
}
