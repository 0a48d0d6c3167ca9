// Command indexbench measures the two candidates for the block index, Pebble
// and bbolt, on the work that the block store gives its index: ingest of a
// million random multihashes in bounded batches, opening, resident memory,
// random prefix reads, small durable commits, and what is left after kill -9.
// It prints a table in Markdown. It is a module of its own, so that the
// engine that lost is no dependency of the product.
//
//	cd scripts/indexbench && go run . [-n 1000000] [-batch 16384] [-dir DIR]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var (
	refs  = flag.Int("n", 1_000_000, "entries to ingest")
	batch = flag.Int("batch", 16384, "entries in a batch")
	root  = flag.String("dir", "", "where to put the databases (default: a temporary folder)")
	phase = flag.String("phase", "", "run one phase in this process (used by the program itself)")
	name  = flag.String("engine", "", "the engine of that phase")
)

// figures is what one phase reports: figure to text.
type figures map[string]string

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "indexbench:", err)
		os.Exit(1)
	}
}

func run() error {
	if *phase != "" {
		f, err := phases[*phase](*name, *root)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(f)
	}
	if *root == "" {
		dir, err := os.MkdirTemp("", "indexbench")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		*root = dir
	}
	table := map[string]figures{}
	for _, e := range engines {
		table[e] = figures{}
		for _, ph := range order {
			f, err := child(ph, e)
			if err != nil {
				return fmt.Errorf("%s %s: %w", e, ph, err)
			}
			for k, v := range f {
				table[e][k] = v
			}
		}
		if err := weigh(e, table[e]); err != nil {
			return err
		}
	}
	printTable(table)
	return nil
}

// child runs one phase in a process of its own, so that memory and start-up
// are the phase's alone.
func child(ph, e string) (figures, error) {
	cmd := exec.Command(os.Args[0], "-phase", ph, "-engine", e, "-dir", *root,
		"-n", fmt.Sprint(*refs), "-batch", fmt.Sprint(*batch))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case ph == "kill": // ends by its own SIGKILL; the next phase looks at the rest
		return nil, nil
	case ph == "damage" && err != nil:
		why, _, _ := strings.Cut(stderr.String(), "\n")
		return figures{damageRow: "the whole process dies: " + why}, nil
	case err != nil:
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	var f figures
	return f, json.Unmarshal(out, &f)
}

// weigh fills in what an engine costs a program: bytes and modules.
func weigh(e string, f figures) error {
	size := func(prog string) (int64, error) {
		out := filepath.Join(*root, "size-"+prog)
		if b, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./size/"+prog).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%w: %s", err, b)
		}
		st, err := os.Stat(out)
		if err != nil {
			return 0, err
		}
		return st.Size(), nil
	}
	with, err := size(e)
	if err != nil {
		return err
	}
	without, err := size("none")
	if err != nil {
		return err
	}
	f["binary, stripped: engine adds"] = fmt.Sprintf("%.1f MiB", float64(with-without)/(1<<20))
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./size/"+e).Output()
	if err != nil {
		return err
	}
	mods := map[string]bool{}
	for _, m := range strings.Fields(string(out)) {
		mods[m] = true
	}
	f["modules linked"] = fmt.Sprint(len(mods) - 1)
	return nil
}

func printTable(table map[string]figures) {
	fmt.Printf("| figure (%d entries, batches of %d) |", *refs, *batch)
	for _, e := range engines {
		fmt.Printf(" %s |", e)
	}
	fmt.Println("\n|---|---|---|")
	for _, k := range rows {
		fmt.Printf("| %s |", k)
		for _, e := range engines {
			fmt.Printf(" %s |", table[e][k])
		}
		fmt.Println()
	}
}

func dirBytes(dir string) int64 {
	var n int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if st, err := d.Info(); err == nil {
				n += st.Size()
			}
		}
		return nil
	})
	return n
}
