package main

import (
	"strings"

	ma "github.com/multiformats/go-multiaddr"
	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

const categoryNode = "Flags of the node, unless a daemon runs it already"

// nodeFlags say how a node is run. Every command that may start one has them.
func nodeFlags() []cli.Flag {
	env := func(name string) []string { return []string{"PEER_" + name} }
	return []cli.Flag{
		&cli.StringFlag{
			Name: "overlay", EnvVars: env("OVERLAY"), Category: categoryNode, DefaultText: node.OverlayKademlia,
			Usage: "the `NAME` of the overlay: " + strings.Join(node.Overlays(), " or "),
		},
		&cli.BoolFlag{
			Name: "recursive", EnvVars: env("RECURSIVE"), Category: categoryNode,
			Usage: "with --overlay chord: have lookups passed on from node to node, which is quicker than asking each",
		},
		&cli.StringSliceFlag{
			Name: "listen", EnvVars: env("LISTEN"), Category: categoryNode,
			Usage: "a `MULTIADDR` to listen at; may be repeated (default: every interface)",
		},
		&cli.StringSliceFlag{
			Name: "bootstrap", EnvVars: env("BOOTSTRAP"), Category: categoryNode,
			Usage: "the `MULTIADDR` of a node to enter the overlay through, with /p2p/PEERID; may be repeated",
		},
		&cli.BoolFlag{
			Name: "no-mdns", EnvVars: env("NO_MDNS"), Category: categoryNode,
			Usage: "do not look for nodes on the local network",
		},
		&cli.StringFlag{
			Name: "network", EnvVars: env("NETWORK"), Category: categoryNode, DefaultText: node.DefaultNetwork,
			Usage: "the `NAME` of the network; nodes of different networks do not meet",
		},
		&cli.StringFlag{
			Name: "limit-up", EnvVars: env("LIMIT_UP"), Category: categoryNode, DefaultText: "as set by peer limit",
			Usage: "send at most `RATE` bytes a second (2MB, 500KiB); none serves nobody",
		},
		&cli.StringFlag{
			Name: "limit-down", EnvVars: env("LIMIT_DOWN"), Category: categoryNode, DefaultText: "as set by peer limit",
			Usage: "receive at most `RATE` bytes a second",
		},
	}
}

// nodeConfig is what the flags say.
func (in *invocation) nodeConfig() (node.Config, error) {
	c := in.cli
	repo, err := in.repo()
	if err != nil {
		return node.Config{}, err
	}
	cfg := node.Config{
		Repo:    repo,
		Overlay: c.String("overlay"),
		Network: c.String("network"),
		NoMDNS:  c.Bool("no-mdns"),
		Verbose: in.verbose,

		Recursive: c.Bool("recursive"),
	}
	if cfg.Listen, err = in.multiaddrs("listen"); err != nil {
		return node.Config{}, err
	}
	if cfg.Bootstrap, err = in.multiaddrs("bootstrap"); err != nil {
		return node.Config{}, err
	}
	if cfg.LimitUp, err = in.optionalRate("limit-up", parseUpRate); err != nil {
		return node.Config{}, err
	}
	if cfg.LimitDown, err = in.optionalRate("limit-down", parseRate); err != nil {
		return node.Config{}, err
	}
	return cfg, cfg.Validate()
}

func (in *invocation) multiaddrs(flag string) (addrs []ma.Multiaddr, err error) {
	for _, s := range in.cli.StringSlice(flag) {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return nil, usageError("/ip4/192.0.2.7/tcp/4001 is one", "--%s %q is not a multiaddress: %v", flag, s, err)
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

func (in *invocation) rate(flag string, parse func(string) (int64, error)) (int64, error) {
	s := in.cli.String(flag)
	if s == "" {
		return 0, nil
	}
	n, err := parse(s)
	if err != nil {
		return 0, usageError(in.cli.Command.HelpName+" --"+flag+" 2MB", "--%s: %v", flag, err)
	}
	return n, nil
}

// optionalRate is rate, and nil if the flag is neither given nor in the environment.
func (in *invocation) optionalRate(flag string, parse func(string) (int64, error)) (*int64, error) {
	if in.cli.String(flag) == "" {
		return nil, nil
	}
	n, err := in.rate(flag, parse)
	return &n, err
}

// nodeFlagsGiven are the node's flags on this command line, for the case that
// they have no effect. Those of the environment are meant for all commands.
func (in *invocation) nodeFlagsGiven() (given []string) {
	for _, f := range nodeFlags() {
		if name := f.Names()[0]; in.given[name] {
			given = append(given, "--"+name)
		}
	}
	return given
}
