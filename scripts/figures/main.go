// Command figures runs the measuring programs that need no network and writes
// one page of all their figures. See package experiment for what they measure.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"ringswap/scripts/internal/experiment"
	"ringswap/scripts/internal/figure"
)

// part is one section of the page.
type part struct {
	program figure.Program
	args    []string
}

func parts() []part {
	return []part{
		{new(experiment.Hops), []string{"--sweep", "--lookups", "2000"}},
		{new(experiment.Attack), nil},
		{new(experiment.Load), nil},
	}
}

const preface = `# Figures

Measured by the machines that ship, in virtual time; written by ` + "`make figures`" + `, which makes the same bytes again from the same code.
Open diamonds are published values, dashed lines formulas, short bars what ringswap promises.

`

func main() {
	out := flag.String("out", "docs/figures", "write the page and its files into this `folder`")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "figures measures everything that docs/figures shows, and writes it.\n\n"+
			"usage: go run ./scripts/figures [flags]\n\nexamples:\n  go run ./scripts/figures --out /tmp/figures\n"+
			"        the page with its CSV, SVG and PNG files, in some minutes\n\nflags:\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 || *out == "" {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, parts(), *out, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// run measures the parts one after the other and writes their page.
func run(ctx context.Context, all []part, dir string, progress io.Writer) error {
	var page strings.Builder
	page.WriteString(preface)
	for _, p := range all {
		report, err := figure.Collect(ctx, p.program, p.args, progress)
		if err != nil {
			return fmt.Errorf("%s: %w", p.program.About().Name, err)
		}
		if _, err := report.Write(dir); err != nil {
			return err
		}
		page.WriteString(report.Markdown())
		fmt.Fprintf(&page, "Made by `go run ./scripts/%s`.\n\n", strings.Join(append([]string{p.program.About().Name}, p.args...), " "))
	}
	text := strings.TrimRight(page.String(), "\n") + "\n"
	return os.WriteFile(filepath.Join(dir, "README.md"), []byte(text), 0o644)
}
