package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func swarmCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "swarm",
		Category:  categoryNetwork,
		Usage:     "show who a transfer runs with: peers, chunks, deficits",
		ArgsUsage: "CID|LINK",
		Flags:     nodeFlags(),
	}, 1, 1, swarm)
}

func swarm(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		sw, err := s.Swarm(ctx, in.args[0])
		if err != nil {
			return err
		}
		if sw.Peers == nil {
			sw.Peers = []node.SwarmPeer{}
		}
		return in.result(sw, func(w io.Writer) { printSwarm(w, sw) })
	})
}

func printSwarm(w io.Writer, sw node.Swarm) {
	if sw.Chunks == 0 && len(sw.Peers) == 0 {
		fmt.Fprintf(w, "%s: nobody fetches it from or with this node now\n", sw.Cid)
		return
	}
	fmt.Fprintf(w, "%s: %d of %s here, %s\n", sw.Cid, sw.Have, count(sw.Chunks, "chunk"), count(len(sw.Peers), "peer"))
	if len(sw.Peers) == 0 {
		return
	}
	t := newTable(w, "NODE", "STATE", "PATH", "CHUNKS", "RECEIVED", "RATE", "SENT", "RATE", "DEFICIT", "RTT", "")
	for _, p := range sw.Peers {
		t.row(p.ID, p.State, p.Path, fmt.Sprint(p.Chunks), size(p.Received), rate(p.RateIn), size(p.Sent), rate(p.RateOut),
			size(p.Deficit), ms(p.RTT), p.Why)
	}
	t.flush()
}
