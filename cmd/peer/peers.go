package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func peersCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:     "peers",
		Category: categoryNetwork,
		Usage:    "show connections to other nodes, and how they run",
		Flags:    nodeFlags(),
	}, 0, 0, peers)
}

// peersResult is what peers prints for programs.
type peersResult struct {
	Peers []node.Connection `json:"peers"`
}

func peers(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		s.sayIfTemporary()
		conns, err := s.Connections(ctx)
		if err != nil {
			return err
		}
		if conns == nil {
			conns = []node.Connection{}
		}
		if len(conns) == 0 {
			in.info("not connected to anyone; on one local network nodes find each other, elsewhere use --bootstrap")
		}
		return in.result(peersResult{conns}, func(w io.Writer) { printPeers(w, conns) })
	})
}

func printPeers(w io.Writer, conns []node.Connection) {
	if len(conns) == 0 {
		return
	}
	t := newTable(w, "NODE", "VIA", "DIRECTION", "PATH", "OPEN", "RTT", "STREAMS", "ROLE", "AGENT")
	for _, c := range conns {
		rtt, role := "-", ""
		if c.RTT > 0 {
			rtt = ms(c.RTT)
		}
		if c.Overlay {
			role = "overlay"
		}
		if c.LAN {
			role += " lan"
		}
		t.row(c.ID, c.Transport, c.Direction, c.Path, seconds(c.Seconds), rtt, fmt.Sprint(c.Streams), orDash(role), orDash(c.Agent))
	}
	t.flush()
}
