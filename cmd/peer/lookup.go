package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func lookupCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "lookup",
		Category:  categoryNetwork,
		Usage:     "find the nodes responsible for a key",
		ArgsUsage: "KEY|CID|PEERID",
		Description: `With --trace it shows every request: whom it asked, who had named that node, how
far the key still was from there, and how long the answer took. Distances are
shares of the keyspace, measured as the overlay does: along Chord's ring, where
the responsible nodes stand past the key, or by Kademlia's XOR.

Examples:
   peer lookup bafy... --trace
   peer lookup 12D3KooW... --trace --overlay chord`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "trace", Usage: "show every hop"},
		}, nodeFlags()...),
	}, 1, 1, lookup)
}

func lookup(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		l, err := s.Lookup(ctx, node.LookupRequest{Key: in.args[0], Trace: in.cli.Bool("trace")})
		if err != nil {
			return err
		}
		if l.Closest == nil {
			l.Closest = []node.PeerAddrs{}
		}
		for i := range l.Closest {
			if l.Closest[i].Addrs == nil {
				l.Closest[i].Addrs = []string{}
			}
		}
		return in.result(l, func(w io.Writer) { printLookup(w, l) })
	})
}

func printLookup(w io.Writer, l node.Lookup) {
	how := ""
	if l.Recursive {
		how = ", passed on from node to node"
	}
	fmt.Fprintf(w, "key %s on %s%s\n", l.Key, l.Overlay, how)
	if len(l.Trace) > 0 {
		t := newTable(w, "  HOP", "NODE", "VIA", "DISTANCE LEFT", "", "ROUND TRIP", "SENT AT", "NEW", "")
		for _, step := range l.Trace {
			t.row(fmt.Sprintf("  %d", step.Hop), short(step.ID), via(l.Trace, step.Via),
				distance(step), fmt.Sprintf("%d bits", step.Distance), tripOf(l, step), ms(step.SentMS), fmt.Sprint(step.Learned), step.Error)
		}
		t.flush()
	}
	fmt.Fprintf(w, "%s, %s, %s, %s\n", count(len(l.Closest), "node"), count(l.Hops, "hop"), count(l.RPCs, "request"), ms(l.MS))
	t := newTable(w)
	for _, c := range l.Closest {
		t.row("  "+c.ID, strings.Join(c.Addrs, " "))
	}
	t.flush()
}

// via names the node whose answer led to a step.
func via(trace []node.LookupStep, i int) string {
	if i < 0 || i >= len(trace) {
		return "known"
	}
	return short(trace[i].ID)
}

// tripOf is the round trip of a step, as far as it is known: those on the way of a
// lookup that was passed on tell what they measured before.
func tripOf(l node.Lookup, s node.LookupStep) string {
	if l.Recursive && s.MS == 0 {
		return "-"
	}
	return ms(s.MS)
}

// distance is what was left at a step.
func distance(s node.LookupStep) string {
	if s.Past {
		return portion(s.Share) + " past it"
	}
	return portion(s.Share)
}

func ms(x float64) string { return fmt.Sprintf("%.1f ms", x) }
