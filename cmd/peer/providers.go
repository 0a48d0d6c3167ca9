package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

func providersCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:      "providers",
		Category:  categoryNetwork,
		Usage:     "find out who has a CID, and which source said so",
		ArgsUsage: "CID|LINK",
		Flags:     nodeFlags(),
	}, 1, 1, providers)
}

func providers(ctx context.Context, in *invocation) error {
	return in.with(ctx, func(s *session) error {
		found := newTableOf(in, []string{"SOURCE", "NODE", "ADDRESSES"}, func(p node.Provider) []string {
			return []string{p.Source, p.ID, orDash(strings.Join(p.Addrs, " "))}
		})
		if err := each(in, s.Providers(ctx, in.args[0]), found); err != nil {
			return err
		}
		if found.rows == 0 {
			return &node.Error{
				Kind: node.KindNotFound,
				What: "nobody is known to have " + in.args[0],
				Try:  "ask whoever shared it whether their node runs, or for the link instead of the CID",
			}
		}
		return nil
	})
}
