package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func statusCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:     "status",
		Category: categoryNetwork,
		Usage:    "show the node's health at a glance",
		Flags:    nodeFlags(),
	}, 0, 0, status)
}

func status(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		s.sayIfTemporary()
		st, err := s.Status(ctx)
		if err != nil {
			return err
		}
		return in.result(st, func(w io.Writer) { printStatus(w, st) })
	})
}

func transferCounts(st node.Status) string {
	s := fmt.Sprintf("%d running", st.Transfers)
	if st.Waiting > 0 {
		s += fmt.Sprintf(", %d waiting (peer transfers)", st.Waiting)
	}
	return s
}

func printStatus(w io.Writer, st node.Status) {
	role := "only asks (it does not answer lookups of others)"
	if st.OverlayServer {
		role = "answers lookups of others"
	}
	reach := st.Reachability
	if len(st.Why) > 0 {
		reach += " (" + strings.Join(st.Why, "; ") + ")"
	}
	t := newTable(w)
	t.row("node", st.ID)
	t.row("repo", st.Repo)
	t.row("network", st.Network+" ("+st.Overlay+"); "+role)
	t.row("up", seconds(st.UptimeSeconds))
	t.row("peers", fmt.Sprintf("%d connected, %d in the routing table", st.Peers, st.TablePeers))
	if text := refusals(st.Refused); text != "" {
		t.row("refused", text)
	}
	t.row("reachable", orDash(reach))
	t.row("shares", fmt.Sprintf("%d (%s); %s kept in the repo", st.Shares, size(st.SharedBytes), size(st.OwnedBytes)))
	t.row("transfers", transferCounts(st))
	t.row("limits", "up "+limitText(st.Settings.LimitUp)+"; down "+limitText(st.Settings.LimitDown))
	t.row("sent", size(st.BytesOut)+", now "+rate(st.RateOut))
	t.row("received", size(st.BytesIn)+", now "+rate(st.RateIn))
	t.flush()
	for _, n := range st.Notices {
		fmt.Fprintf(w, "note: %s\n", printable(n))
	}
}
