package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"
)

// arranged is a command line in the order that the flag parser needs.
type arranged struct {
	args []string // program, flags, command, its flags, --, the rest
	help bool     // help was asked for: show it instead of running the command
	// given are the names of the flags on the line.
	given map[string]bool
}

// arrange moves flags in front of the arguments that they follow, since the
// parser stops at the first argument, but people write "peer get CID -o PATH".
// It knows each command's flags and which of them take a value, leaves
// everything after "--" alone, and lets global flags stand anywhere.
func arrange(app *cli.App, argv []string) (arranged, error) {
	a := arranger{levels: []level{{commands: app.Commands, flags: app.Flags}}, given: make(map[string]bool)}
	rest := argv[min(1, len(argv)):]
	for len(rest) > 0 {
		n, err := a.take(rest)
		if err != nil {
			return arranged{}, err
		}
		rest = rest[n:]
	}
	return arranged{args: a.line(), help: a.help, given: a.given}, nil
}

// level is the program itself, a command or one of its subcommands.
type level struct {
	name     string
	commands []*cli.Command
	flags    []cli.Flag
	set      []string // flags of the command line that belong here
}

type arranger struct {
	levels []level
	rest   []string // arguments that are no flags
	help   bool
	given  map[string]bool
}

func (a *arranger) top() *level { return &a.levels[len(a.levels)-1] }

// command is how the user would write the command up to here.
func (a *arranger) command() string {
	words := []string{"peer"}
	for _, l := range a.levels[1:] {
		words = append(words, l.name)
	}
	return strings.Join(words, " ")
}

// take deals with the first of args and returns how many it used up.
func (a *arranger) take(args []string) (int, error) {
	arg := args[0]
	switch {
	case arg == "--":
		a.rest = append(a.rest, args[1:]...)
		return len(args), nil
	case len(arg) > 1 && arg[0] == '-':
		return a.takeFlag(args)
	case len(a.top().commands) > 0 && len(a.rest) == 0:
		return 1, a.enter(arg)
	default:
		a.rest = append(a.rest, arg)
		return 1, nil
	}
}

// enter descends to the named command. "help" makes the rest name the command
// to be helped with.
func (a *arranger) enter(name string) error {
	if name == "help" && len(a.levels) == 1 {
		a.help = true
		return nil
	}
	for _, c := range a.top().commands {
		if c.HasName(name) {
			a.levels = append(a.levels, level{name: c.Name, commands: c.Subcommands, flags: c.Flags})
			return nil
		}
	}
	var names []string
	for _, c := range a.top().commands {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	return usageError(didYouMean(a.command()+" ", names, name, a.command()+" --help"), "there is no command %q", a.command()+" "+name)
}

// takeFlag notes a flag, and its value if it takes one, at the level that knows
// it.
func (a *arranger) takeFlag(args []string) (int, error) {
	dashes := 1
	if strings.HasPrefix(args[0], "--") {
		dashes = 2
	}
	name, value, hasValue := strings.Cut(args[0][dashes:], "=")
	if slices.Contains(cli.HelpFlag.Names(), name) {
		a.help = true
		return 1, nil
	}
	for i := len(a.levels) - 1; i >= 0; i-- {
		f := findFlag(a.levels[i].flags, name)
		if f == nil {
			continue
		}
		a.given[f.Names()[0]] = true
		used := 1
		switch {
		case hasValue:
			name += "=" + value
		case takesValue(f):
			if len(args) < 2 {
				return 0, usageError(a.command()+" --help", "the flag %s needs a value", args[0])
			}
			name += "=" + args[1]
			used = 2
		}
		a.levels[i].set = append(a.levels[i].set, "--"+name)
		return used, nil
	}
	var names []string
	for _, l := range a.levels {
		names = append(names, flagNames(l.flags)...)
	}
	return 0, usageError(didYouMean(a.command()+" --", names, name, a.command()+" --help"), "%s has no flag %s", a.command(), args[0][:dashes]+name)
}

// line puts everything in order. A command whose help is asked for gets no
// arguments.
func (a *arranger) line() []string {
	line := []string{"peer"}
	for i, l := range a.levels {
		if i > 0 {
			line = append(line, l.name)
		}
		line = append(line, l.set...)
	}
	if a.help {
		return append(line, "--help")
	}
	if len(a.rest) > 0 {
		line = append(append(line, "--"), a.rest...)
	}
	return line
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// flagNames are the long names of the flags that the help shows.
func flagNames(flags []cli.Flag) (names []string) {
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		for _, n := range f.Names() {
			if len(n) > 1 {
				names = append(names, n)
			}
		}
	}
	return names
}

func takesValue(f cli.Flag) bool {
	g, ok := f.(cli.DocGenerationFlag)
	return ok && g.TakesValue()
}

// didYouMean is the advice for a word that nobody knows: the known one that
// resembles it, or the fallback.
func didYouMean(prefix string, known []string, word, fallback string) string {
	best, score := "", 0.75 // below it people do not recognize the resemblance
	for _, k := range known {
		s := smetrics.JaroWinkler(k, word, 0.7, 4)
		if letters(k) == letters(word) { // some swapped
			s = 1
		}
		if s > score {
			best, score = k, s
		}
	}
	if best == "" {
		return fallback
	}
	return prefix + best
}

// letters are the characters of a word, sorted.
func letters(word string) string {
	b := []byte(word)
	slices.Sort(b)
	return string(b)
}
