package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func lsCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "ls",
		Category:  categoryMain,
		Usage:     "list what is shared here, or what is inside a CID",
		ArgsUsage: "[CID|LINK]",
		Description: `Examples:
   peer ls
   peer ls bafy...
   peer ls bafy.../photos/2024`,
		Flags: nodeFlags(),
	}, 0, 1, ls)
}

func ls(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		if len(in.args) == 0 {
			return lsShares(ctx, in, s)
		}
		return each(in, s.Entries(ctx, in.args[0]), newTableOf(in, []string{"TYPE", "SIZE", "CID", "PATH"}, func(e node.Entry) []string {
			path := e.Path
			if e.Link != "" {
				path += " -> " + e.Link
			}
			return []string{e.Type, size(e.Size), e.Cid, orDash(path)}
		}))
	})
}

func lsShares(ctx context.Context, in *invocation, s *session) error {
	shares := newTableOf(in, []string{"CID", "SIZE", "CHUNKS", "SHARED", "PATH"}, func(i node.ShareInfo) []string {
		path := i.Path
		if i.Pinned {
			path += " (pinned)"
		}
		return []string{i.Cid, size(i.Size), fmt.Sprint(i.Chunks), i.Added.Local().Format(time.DateTime), path}
	})
	if err := each(in, s.Shares(ctx), shares); err != nil {
		return err
	}
	if shares.rows == 0 {
		in.info("nothing is shared yet; try: peer share PATH")
	}
	return nil
}

// tableOf shows the elements of an enumeration to a person.
type tableOf[T any] struct {
	heads []string
	cells func(T) []string
	rows  int
}

func newTableOf[T any](_ *invocation, heads []string, cells func(T) []string) *tableOf[T] {
	return &tableOf[T]{heads: heads, cells: cells}
}

// each writes every element of seq: as a line of JSON at once, or as a table at
// the end.
func each[T any](in *invocation, seq iter.Seq2[T, error], t *tableOf[T]) error {
	var b strings.Builder
	tab := newTable(&b, t.heads...)
	var failed error
	for it, err := range seq {
		if err != nil {
			failed = err
			break
		}
		t.rows++
		if !in.json {
			tab.row(t.cells(it)...)
			continue
		}
		if err := in.object(it); err != nil {
			return err
		}
	}
	if !in.json && t.rows > 0 {
		tab.flush()
		if _, err := io.WriteString(in.stdout, b.String()); err != nil {
			return err
		}
	}
	return failed
}
