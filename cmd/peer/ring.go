package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func ringCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:     "ring",
		Category: categoryNetwork,
		Usage:    "show the overlay as this node sees it: ring and fingers, or buckets",
		Description: `On Chord: the neighbours on the ring, and the fingers, which shorten the way
around it. On Kademlia: the buckets, each for half of what the one before left
of the keyspace. Distances are shares of the keyspace.

Examples:
   peer ring
   peer ring --all
   peer ring --json | jq -r '.successors[0].id'`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "list every node, not only the nearest", DisableDefaultText: true},
		}, nodeFlags()...),
	}, 0, 0, ring)
}

func ring(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		s.sayIfTemporary()
		r, err := s.Ring(ctx)
		if err != nil {
			return err
		}
		if r.Entries == 0 {
			in.info("no other node is known; on one local network nodes find each other, elsewhere use --bootstrap")
		}
		return in.result(r, func(w io.Writer) { printRing(w, r, in.cli.Bool("all")) })
	})
}

// printRing draws the overlay for people.
func printRing(w io.Writer, r node.Ring, all bool) {
	role := "only asks"
	if r.Server {
		role = "answers lookups"
	}
	fmt.Fprintf(w, "%s at %s on the %s network %s, %s\n", short(r.ID), place(r.Place), r.Overlay, r.Network, role)
	fmt.Fprintf(w, "knows %s", count(r.Entries, "node"))
	if r.RTT > 0 {
		fmt.Fprintf(w, ", which answer in about %s", ms(r.RTT))
	}
	fmt.Fprintf(w, "; sent %s, %d of them requests\n", count(int(r.Sent), "message"), r.Asked)
	fmt.Fprintf(w, "announces %s; keeps %s of %s and %s for others\n",
		count(r.Provided, "key"), count(r.Records, "provider record"), count(r.Keys, "key"), count(r.Values, "value"))
	if text := refusals(r.Refused); text != "" {
		fmt.Fprintf(w, "refused of what others sent: %s\n", text)
	}
	if r.Buckets != nil {
		printBuckets(w, r.Buckets, all)
	} else {
		printCircle(w, r, all)
	}
}

// refusals is what was not accepted and why, what was most frequent first.
func refusals(counts map[string]uint64) string {
	reasons := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, why := range reasons {
		reasons[i] = fmt.Sprintf("%d × %s", counts[why], why)
	}
	return strings.Join(reasons, ", ")
}

// place is enough of a place in the keyspace to tell it from the others.
func place(hex string) string { return hex[:min(8, len(hex))] }

// portion is a share for people: two digits, however small it is.
func portion(share float64) string {
	return fmt.Sprintf("%.2g %%", 100*share)
}

// pulse is what is known of a node's being alive.
func pulse(p node.RingPeer) string {
	switch {
	case p.Silent > 0:
		return fmt.Sprintf("silent %dx", p.Silent)
	case p.Seen == nil:
		return "not met"
	}
	return "seen " + seconds(*p.Seen) + " ago"
}

func roundTrip(p node.RingPeer) string {
	if p.RTT == 0 {
		return "-"
	}
	return ms(p.RTT)
}

func addresses(p node.RingPeer) string {
	if len(p.Addrs) == 0 {
		return "-"
	}
	return p.Addrs[0]
}
