package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/adrg/xdg"
	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

// Categories of commands; the help sorts them by name.
const (
	categoryMain    = "Main commands"
	categoryNetwork = "Network"
	categoryRepo    = "Repo"
	categoryTools   = "Tools"
)

// newApp is the command line. It is made anew for each run, since the parser
// keeps state in it.
func newApp(p *program) *cli.App {
	styleParser()
	app := &cli.App{
		Name:            "peer",
		Usage:           "share files with other people's laptops by CID",
		Version:         version(),
		HideHelpCommand: true,
		Flags:           globalFlags(),
		Commands: []*cli.Command{
			runCommand(p), shareCommand(p), addCommand(p), getCommand(p), catCommand(p), lsCommand(p), cidCommand(p),
			transfersCommand(p), pauseCommand(p), resumeCommand(p), cancelCommand(p), limitCommand(p), goalCommand(p),
			rmCommand(p), pinCommand(p), gcCommand(p), verifyCommand(p),
			lookupCommand(p), providersCommand(p), idCommand(p), statusCommand(p), peersCommand(p), swarmCommand(p),
			ringCommand(p), demoCommand(p), completionCommand(p),
		},
		Action:                cli.ShowAppHelp,
		CustomAppHelpTemplate: appHelp,
		Reader:                p.stdin,
		Writer:                p.stdout,
		ErrWriter:             p.stderr,
		OnUsageError:          onUsageError,
		ExitErrHandler:        func(*cli.Context, error) {}, // run decides how it ends
	}
	app.Setup() // so that arrange sees what the parser adds
	return app
}

// styleParser sets what the parser keeps in variables of its own.
var styleParser = sync.OnceFunc(func() {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version", DisableDefaultText: true}
	cli.FlagStringer = flagHelp
})

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "repo", EnvVars: []string{"PEER_REPO"}, DefaultText: defaultRepo(),
			Usage: "the `DIR` that holds identity, store and control socket",
		},
		&cli.BoolFlag{Name: "json", Usage: "print JSON on stdout; everything else goes to stderr", DisableDefaultText: true},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print results and errors only", DisableDefaultText: true},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "also log what goes on", DisableDefaultText: true},
	}
}

func defaultRepo() string { return filepath.Join(xdg.DataHome, "ringswap") }

// version is what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := strings.Trim(info.Main.Version, "()")
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && !strings.Contains(v, s.Value[:12]) {
			v += " " + s.Value[:12]
		}
	}
	return v
}

// run carries out one command line and returns the exit code.
func (p *program) run(ctx context.Context, argv []string) int {
	if len(argv) > 1 && argv[1] == completeCommand {
		p.complete(argv[2:])
		return exitDone
	}
	out := &output{stdout: p.stdout, stderr: p.stderr, json: wantsJSON(argv)}
	app := newApp(p)
	line, err := arrange(app, argv)
	if err == nil {
		app.Metadata[metaGiven] = line.given
		err = app.RunContext(ctx, line.args)
	}
	if err != nil {
		var told *node.Error
		if !errors.As(err, &told) { // the parser's own
			err = usageError("peer --help", "%s", err)
		}
	}
	out.report(err)
	return exitCode(err)
}

// wantsJSON says whether a command line that may be wrong asks for JSON.
func wantsJSON(argv []string) bool {
	for _, a := range argv {
		switch a {
		case "--json", "-json", "--json=true":
			return true
		case "--":
			return false
		}
	}
	return false
}

// onUsageError makes the parser's complaints ours.
func onUsageError(c *cli.Context, err error, _ bool) error {
	name := "peer"
	if c.Command != nil && c.Command.HelpName != "" {
		name = c.Command.HelpName
	}
	return usageError(name+" --help", "%s", err)
}

// invocation is one command being carried out.
type invocation struct {
	*output
	program *program
	cli     *cli.Context
	args    []string
	given   map[string]bool // names of the flags on the command line
}

// metaGiven is where the app carries which flags were given.
const metaGiven = "given"

// command completes c, whose work f does with between least and most
// arguments; most < 0 is any number.
func (p *program) command(c *cli.Command, least, most int, f func(context.Context, *invocation) error) *cli.Command {
	c.HideHelpCommand = true
	c.OnUsageError = onUsageError
	c.CustomHelpTemplate = commandHelp
	c.Action = func(cc *cli.Context) error {
		given, _ := cc.App.Metadata[metaGiven].(map[string]bool)
		in := &invocation{
			program: p,
			output: &output{
				stdout: p.stdout, stderr: p.stderr,
				json: cc.Bool("json"), quiet: cc.Bool("quiet"), verbose: cc.Bool("verbose"),
			},
			cli:   cc,
			args:  cc.Args().Slice(),
			given: given,
		}
		if err := in.checkArgs(c, least, most); err != nil {
			return err
		}
		if err := f(cc.Context, in); err != nil {
			return asError(err) // so that what the parser says can be told from it
		}
		return nil
	}
	return c
}

func (in *invocation) checkArgs(c *cli.Command, least, most int) error {
	n := len(in.args)
	switch {
	case n < least:
		return usageError(c.HelpName+" --help", "%s needs %s", c.HelpName, c.ArgsUsage)
	case most == 0 && n > 0:
		return usageError(c.HelpName+" --help", "%s takes no arguments, but was given %q", c.HelpName, in.args[0])
	case most >= 0 && n > most:
		return usageError(c.HelpName+" --help", "%s takes only %s, but was also given %q", c.HelpName, c.ArgsUsage, in.args[most])
	}
	for _, a := range in.args {
		if a == "" {
			return usageError(c.HelpName+" --help", "an argument is empty")
		}
	}
	return nil
}

// repo is the absolute path of the repo.
func (in *invocation) repo() (string, error) {
	dir := in.cli.String("repo")
	if dir == "" {
		dir = defaultRepo()
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", usageError("peer --repo DIR", "the repo %q has no absolute path: %v", dir, err)
	}
	return abs, nil
}

// info tells a person something that is not a result.
func (o *output) info(format string, args ...any) {
	if !o.quiet {
		_, _ = fmt.Fprintf(o.stderr, format+"\n", args...)
	}
}

// warn tells a person what they should know even if they asked for quiet.
func (o *output) warn(format string, args ...any) {
	_, _ = fmt.Fprintf(o.stderr, "warning: "+format+"\n", args...)
}
