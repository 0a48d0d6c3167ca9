package figure

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Program is a measuring program: its flags, and what it does with them.
type Program interface {
	About() About
	// Flags registers the program's own flags.
	Flags(*flag.FlagSet)
	// Validate reports the first flag that makes no sense, before anything runs.
	Validate() error
	// Run measures. It tells progress now and then, and ends early with ctx.
	Run(ctx context.Context, progress io.Writer) (*Report, error)
}

// About is what --help says beside the flags.
type About struct {
	Name    string
	Summary string
	// Examples are command lines without "go run ./scripts/", each with what it
	// is good for.
	Examples [][2]string
}

// Exit codes of a program, those of the peer command.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitTimeout     = 4
	exitInterrupted = 130
)

// Main runs a program with the command line's arguments and ends the process.
func Main(p Program) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Run(ctx, p, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// common are the flags that every program has.
type common struct {
	out     string
	json    bool
	quiet   bool
	timeout time.Duration
}

// Run runs a program and returns its exit code. Results go to stdout, all else
// to stderr.
func Run(ctx context.Context, p Program, args []string, stdout, stderr io.Writer) int {
	var c common
	about := p.About()
	fs := flag.NewFlagSet(about.Name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&c.out, "out", "", "write CSV, SVG and PNG files into this `folder`")
	fs.BoolVar(&c.json, "json", false, "print one JSON object instead of tables")
	fs.BoolVar(&c.quiet, "quiet", false, "do not tell progress")
	fs.DurationVar(&c.timeout, "timeout", 30*time.Minute, "give up after this `time`")
	p.Flags(fs)
	fs.Usage = func() { usage(fs, about) }
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	}
	if err := check(fs, p, c); err != nil {
		fmt.Fprintf(stderr, "%s: %v\nTry: go run ./scripts/%s --help\n", about.Name, err, about.Name)
		return exitUsage
	}
	progress := stderr
	if c.quiet {
		progress = io.Discard
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := measure(ctx, p, c, stdout, progress); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", about.Name, err)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return exitTimeout
		case errors.Is(err, context.Canceled):
			return exitInterrupted
		}
		return exitFailed
	}
	return exitDone
}

// Collect runs a program with the given flags, none of them common ones, and
// returns its report.
func Collect(ctx context.Context, p Program, args []string, progress io.Writer) (*Report, error) {
	fs := flag.NewFlagSet(p.About().Name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	p.Flags(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p.Run(ctx, progress)
}

func check(fs *flag.FlagSet, p Program, c common) error {
	if fs.NArg() > 0 {
		return fmt.Errorf("%q is no flag", fs.Arg(0))
	}
	if c.timeout <= 0 {
		return fmt.Errorf("--timeout is %v, must be positive", c.timeout)
	}
	return p.Validate()
}

func measure(ctx context.Context, p Program, c common, stdout, progress io.Writer) error {
	report, err := p.Run(ctx, progress)
	if err != nil {
		return err
	}
	if c.json {
		err = report.PrintJSON(stdout)
	} else {
		err = report.Print(stdout)
	}
	if err != nil || c.out == "" {
		return err
	}
	names, err := report.Write(c.out)
	if err == nil {
		fmt.Fprintf(progress, "wrote %s to %s\n", strings.Join(names, ", "), c.out)
	}
	return err
}

func usage(fs *flag.FlagSet, about About) {
	w := fs.Output()
	fmt.Fprintf(w, "%s\n\nusage: go run ./scripts/%s [flags]\n\nexamples:\n", about.Summary, about.Name)
	for _, e := range about.Examples {
		fmt.Fprintf(w, "  go run ./scripts/%s\n        %s\n", e[0], e[1])
	}
	fmt.Fprintln(w, "\nflags:")
	fs.PrintDefaults()
}
