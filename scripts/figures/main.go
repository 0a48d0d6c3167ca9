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
	"slices"
	"strings"
	"syscall"
	"time"

	"ringswap/internal/sim"
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
		{new(experiment.Hops), []string{"--distribution", "--n", "4096", "--lookups", "5000"}},
		{new(experiment.Failures), nil},
		{new(experiment.Churn), nil},

		{new(experiment.Stretch), nil},
		{new(experiment.Upkeep), []string{"--nodes", "100", "--minutes", "2"}},
		{new(experiment.Attack), nil},
		{new(experiment.Load), nil},
	}
}

const preface = `# Figures

Measured by the machines that ship, in virtual time; written by ` + "`make figures`" + `, which makes the same bytes again from the same code.
Open diamonds are published values, dashed lines formulas, short bars what ringswap promises. What differs from run to run is in one place: the time and the
memory that each section took, in [cost.csv](cost.csv).

`

func main() {
	out := flag.String("out", "docs/figures", "write the page and its files into this `folder`")
	only := flag.String("only", "", "measure only these `programs`, separated by commas, and leave the page's other sections as they are")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "figures measures everything that docs/figures shows, and writes it.\n\n"+
			"usage: go run ./scripts/figures [flags]\n\nexamples:\n  go run ./scripts/figures --out /tmp/figures\n"+
			"        the page with its CSV, SVG and PNG files, in some minutes\n  go run ./scripts/figures --only load,attack\n"+
			"        these sections of the page anew\n\nflags:\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 || *out == "" {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, parts(), *out, *only, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// name is the part's name for --only.
func (p part) name() string { return p.program.About().Name }

// madeBy ends the section of a part, and tells it from the others.
func (p part) madeBy() string {
	return fmt.Sprintf("Made by `go run ./scripts/%s`.", strings.Join(append([]string{p.name()}, p.args...), " "))
}

// run measures the parts one after the other and writes their page. If only
// names some of them, the sections of the others are those of the page there is.
func run(ctx context.Context, all []part, dir, only string, progress io.Writer) error {
	kept, err := sections(all, dir, only)
	if err != nil {
		return err
	}
	var page strings.Builder
	page.WriteString(preface)
	for i, p := range all {
		section := kept[i]
		if section == "" {
			began := time.Now()
			report, err := figure.Collect(ctx, p.program, p.args, progress)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name(), err)
			}
			if _, err := report.Write(dir); err != nil {
				return err
			}
			section = report.Markdown() + p.madeBy()
			if err := noteCost(dir, p, time.Since(began)); err != nil {
				return err
			}
		}
		page.WriteString(section + "\n\n")
	}
	text := strings.TrimRight(page.String(), "\n") + "\n"
	return os.WriteFile(filepath.Join(dir, "README.md"), []byte(text), 0o644)
}

// sections are those of the page in dir that are to stay, "" for every part that
// is to be measured: all of them, or those that only names and those that the
// page does not have.
func sections(all []part, dir, only string) ([]string, error) {
	kept := make([]string, len(all))
	if only == "" {
		return kept, nil
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.ContainsFunc(all, func(p part) bool { return p.name() == name }) {
			return nil, fmt.Errorf("--only names %q, which is no part of the page", name)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		return nil, err
	}
	for i, p := range all {
		if slices.Contains(wanted, p.name()) {
			continue
		}
		if before, _, found := strings.Cut(string(page), p.madeBy()); found {
			kept[i] = before[strings.LastIndex(before, "\n## ")+1:] + p.madeBy()
		}
	}
	return kept, nil
}

// costName is the file with what each section took.
const costName = "cost.csv"

// noteCost writes down what a part took, in the place of what it took before.
// Memory is the most that the process has had so far.
func noteCost(dir string, p part, took time.Duration) error {
	const head = "section,seconds,peak_mib"
	name := strings.Join(append([]string{p.name()}, p.args...), " ")
	lines := []string{head}
	if old, err := os.ReadFile(filepath.Join(dir, costName)); err == nil {
		for line := range strings.Lines(string(old)) {
			line = strings.TrimSpace(line)
			if line != head && !strings.HasPrefix(line, name+",") {
				lines = append(lines, line)
			}
		}
	}
	lines = append(lines, fmt.Sprintf("%s,%.0f,%.0f", name, took.Seconds(), sim.PeakMiB()))
	slices.Sort(lines[1:])
	return os.WriteFile(filepath.Join(dir, costName), []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}
