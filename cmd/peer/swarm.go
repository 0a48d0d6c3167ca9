package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"github.com/vbauerster/mpb/v8/cwriter"

	"ringswap/internal/node"
)

func swarmCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "swarm",
		Category:  categoryNetwork,
		Usage:     "watch who a transfer runs with: peers, rates, deficits, chunks",
		ArgsUsage: "CID|LINK",
		Description: `On a terminal it goes on showing how things are until Ctrl-C; elsewhere, and with
--once, it prints that and ends. DEFICIT is what was sent to a peer beyond what came
from it and what others vouch for: the lowest is served first. CHOKES says why a peer
lets this node wait, CHOKED why this node lets it wait.

The map shows the chunks from the first to the last: # here, + being fetched or here
in part, a digit for how many peers name the rarest that is missing, ! none names it.

Examples:
   peer swarm bafy...
   peer swarm bafy... --once
   peer swarm bafy... --json --watch   # one object a second`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "watch", Usage: "go on until Ctrl-C, also where the output is no terminal", DisableDefaultText: true},
			&cli.BoolFlag{Name: "once", Usage: "print it once, also on a terminal", DisableDefaultText: true},
		}, nodeFlags()...),
	}, 1, 1, swarm)
}

// swarmEvery is the time between two looks.
const swarmEvery = time.Second

// The map's cells: what fits on some lines of a terminal, and enough for programs.
const (
	mapWidth  = 72
	mapLines  = 4
	mapCells  = mapWidth * mapLines
	jsonCells = 1024
)

func swarm(ctx context.Context, in *invocation) error {
	watch, once := in.cli.Bool("watch"), in.cli.Bool("once")
	if watch && once {
		return usageError("peer swarm CID --watch", "--watch and --once exclude each other")
	}
	terminal := !in.json && isTerminal(in.stdout)
	req := node.SwarmRequest{Ref: in.args[0], Cells: mapCells}
	if in.json {
		req.Cells = jsonCells
	}
	return in.with(ctx, func(s *session) error {
		if once || !watch && !terminal {
			return printSwarmOnce(ctx, in, s, req)
		}
		show := func(sw node.Swarm) error {
			return in.result(sw, func(w io.Writer) { printSwarm(w, sw); fmt.Fprintln(w) })
		}
		if terminal {
			show = redraw(in.stdout)
		}
		return watchSwarm(ctx, s, req, show)
	})
}

func printSwarmOnce(ctx context.Context, in *invocation, s *session, req node.SwarmRequest) error {
	sw, err := s.Swarm(ctx, req)
	if err != nil {
		return err
	}
	if sw.Peers == nil {
		sw.Peers = []node.SwarmPeer{}
	}
	return in.result(sw, func(w io.Writer) { printSwarm(w, sw) })
}

// watchSwarm shows the swarm until ctx ends, which is how watching is meant to end,
// or nothing goes on any more.
func watchSwarm(ctx context.Context, s *session, req node.SwarmRequest, show func(node.Swarm) error) error {
	tick := time.NewTicker(swarmEvery)
	defer tick.Stop()
	for {
		sw, err := s.Swarm(ctx, req)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if sw.Peers == nil {
			sw.Peers = []node.SwarmPeer{}
		}
		if err := show(sw); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// redraw shows a swarm in place of the one before, cut to what fits the terminal.
func redraw(out io.Writer) func(node.Swarm) error {
	w := cwriter.New(out)
	return func(sw node.Swarm) error {
		var b strings.Builder
		printSwarm(&b, sw)
		width, height, err := w.GetTermSize()
		if err != nil || width < 20 || height < 4 {
			width, height = 80, 24
		}
		lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
		lines = lines[:min(len(lines), height-1)]
		for _, line := range lines {
			if runes := []rune(line); len(runes) >= width {
				line = string(runes[:width-1])
			}
			fmt.Fprintln(w, line)
		}
		return w.Flush(len(lines))
	}
}

func printSwarm(w io.Writer, sw node.Swarm) {
	if sw.Chunks == 0 && len(sw.Peers) == 0 {
		line := sw.Cid + ": nobody fetches it from or with this node now"
		if sw.State != "" {
			line += " (" + sw.State + ")"
		}
		fmt.Fprintln(w, line)
		return
	}
	fmt.Fprintln(w, titled(sw.Cid, sw.Name))
	fmt.Fprintf(w, "%s: %d of %s here, %s, down %s, up %s\n", orDash(sw.State), sw.Have, count(sw.Chunks, "chunk"),
		count(len(sw.Peers), "peer"), rate(sw.RateIn), rate(sw.RateOut))
	printMap(w, sw.Map)
	if len(sw.Peers) == 0 {
		return
	}
	t := newTable(w, "NODE", "STATE", "PATH", "CHUNKS", "RECEIVED", "RATE", "SENT", "RATE", "DEFICIT", "RTT", "CHOKES", "CHOKED", "")
	for _, p := range sw.Peers {
		rtt := "-"
		if p.RTT > 0 {
			rtt = ms(p.RTT)
		}
		t.row(short(p.ID), p.State, p.Path, fmt.Sprint(p.Chunks), size(p.Received), rateOrDash(p.RateIn), size(p.Sent), rateOrDash(p.RateOut),
			size(p.Deficit), rtt, orDash(p.Chokes), orDash(p.Choked), p.Why)
	}
	t.flush()
}

// printMap draws one character a cell. What is here whole needs no map.
func printMap(w io.Writer, cells []node.MapCell) {
	var b strings.Builder
	whole := true
	for _, c := range cells {
		b.WriteByte(cellMark(c))
		whole = whole && c.Have == c.Chunks
	}
	if whole {
		return
	}
	for at := 0; at < b.Len(); at += mapWidth {
		fmt.Fprintf(w, "  %s\n", b.String()[at:min(at+mapWidth, b.Len())])
	}
}

func cellMark(c node.MapCell) byte {
	switch {
	case c.Have == c.Chunks:
		return '#'
	case c.Have > 0 || c.Coming > 0:
		return '+'
	case c.Peers == 0:
		return '!'
	}
	return '0' + byte(min(c.Peers, 9))
}
