package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"
)

func demoCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:     "demo",
		Category: categoryTools,
		Usage:    "show it at work: several nodes on this machine share and fetch",
	}, 0, 0, func(context.Context, *invocation) error { return errors.New("this build has no node") })
}
