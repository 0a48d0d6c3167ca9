package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// start: how soon a daemon is ready, and what it holds when it has nothing to do.
func (b *bench) start(ctx context.Context) ([]figure, error) {
	var ready []float64
	var idle float64
	repo := ""
	for range b.runs {
		n, err := b.daemon(ctx, repo, overTCP)
		if err != nil {
			return nil, err
		}
		repo = n.repo
		ready = append(ready, n.ready.Seconds())
		if len(ready) == b.runs {
			select {
			case <-time.After(10 * time.Second): // let it come to rest
			case <-ctx.Done():
			}
			if idle, err = n.memory("VmRSS"); err != nil {
				n.stop()
				return nil, err
			}
		}
		n.stop()
	}
	return []figure{
		{Name: "start to ready", Value: median(ready), Unit: "s", Bound: 0.5, Note: spread(ready)},
		{Name: "idle daemon, resident, 10 s after start", Value: idle, Unit: "MiB", Bound: 60},
	}, nil
}

// share: hashing in place through a daemon, against openssl on the same bytes.
func (b *bench) share(ctx context.Context) ([]figure, error) {
	n, err := b.daemon(ctx, "", overTCP)
	if err != nil {
		return nil, err
	}
	defer n.stop()
	var ratios, ours, theirs []float64
	for range b.runs {
		begin := time.Now()
		if err := exec.CommandContext(ctx, "openssl", "dgst", "-sha256", b.file).Run(); err != nil {
			return nil, fmt.Errorf("openssl dgst (is openssl installed?): %w", err)
		}
		anchor := time.Since(begin).Seconds()
		var shared struct{ Cid string }
		took, err := n.command(ctx, &shared, "share", b.file)
		if err != nil {
			return nil, err
		}
		if _, err := n.command(ctx, nil, "rm", shared.Cid); err != nil {
			return nil, err
		}
		ours, theirs = append(ours, took.Seconds()), append(theirs, anchor)
		ratios = append(ratios, took.Seconds()/anchor)
	}
	owned, err := diskUse(n.repo)
	if err != nil {
		return nil, err
	}
	return []figure{
		{Name: "share / openssl dgst -sha256", Value: median(ratios), Unit: "x", Bound: 0.8, Note: spread(ratios)},
		{Name: "share", Value: median(ours), Unit: "s", Note: "openssl " + fmt.Sprintf("%.2f s", median(theirs))},
		{Name: "the sharer's repo on disk / the file", Value: float64(owned) / float64(b.size), Unit: "x", Bound: 0.05},
	}, nil
}

func diskUse(dir string) (n int64, err error) {
	err = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// must is for figures of /proc: without them there is nothing to report.
func must(v float64, err error) float64 {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	return v
}

func sameBytes(ctx context.Context, a, b string) error {
	if err := exec.CommandContext(ctx, "cmp", "-s", a, b).Run(); err != nil {
		return fmt.Errorf("%s and %s differ: %w", a, b, err)
	}
	return nil
}

// requestLines are what the test of integration/kaddht logs.
var requestLines = regexp.MustCompile(`(?s)go-libp2p-kad-dht \S+: +([0-9.]+) requests a lookup.*ringswap: +([0-9.]+) requests a lookup, the exact 20 nodes in (\d+ of \d+) lookups`)

// lookup: requests in a closest-node lookup beside the reference's, counted by
// the test that runs both on the same 120 places of the keyspace.
func (b *bench) lookup(ctx context.Context) ([]figure, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-run", "Lookup", ".")
	cmd.Dir = filepath.Join("integration", "kaddht")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, &out)
	}
	m := requestLines.FindStringSubmatch(out.String())
	if m == nil {
		return nil, fmt.Errorf("no count of requests in:\n%s", &out)
	}
	ours, err := strconv.ParseFloat(m[2], 64)
	if err != nil {
		return nil, err
	}
	return []figure{{
		Name: "requests in a closest-node lookup, 120 nodes", Value: ours, Unit: "RPCs", Bound: 29.6,
		Note: fmt.Sprintf("go-libp2p-kad-dht in the same test: %s; the same 20 nodes in %s lookups", m[1], m[3]),
	}}, nil
}
