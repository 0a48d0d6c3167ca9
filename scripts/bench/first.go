package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// first: how long after the start of a command the first byte of the file is
// there, when the link names the provider and both daemons run.
func (b *bench) first(ctx context.Context) ([]figure, error) {
	seeder, err := b.daemon(ctx, "", overTCP)
	if err != nil {
		return nil, err
	}
	defer seeder.stop()
	var shared struct{ Link string }
	if _, err := seeder.command(ctx, &shared, "share", b.file); err != nil {
		return nil, err
	}
	var printed, written []float64
	for range max(b.runs, 5) {
		for _, one := range []struct {
			times *[]float64
			first func(context.Context, *node, string) (time.Duration, error)
		}{{&printed, firstPrinted}, {&written, firstWritten}} {
			getter, err := b.daemon(ctx, "", overTCP) // which knows nobody yet
			if err != nil {
				return nil, err
			}
			took, err := one.first(ctx, getter, shared.Link)
			getter.stop()
			if err != nil {
				return nil, err
			}
			*one.times = append(*one.times, took.Seconds()*1000)
			_ = os.RemoveAll(getter.repo)
		}
	}
	return []figure{
		{Name: "first byte out of cat", Value: median(printed), Unit: "ms", Bound: 50, Note: spread(printed)},
		{Name: "first chunk of get in the part file", Value: median(written), Unit: "ms", Bound: 50, Note: spread(written)},
	}, nil
}

// abandoned runs a command until the function has seen enough, and kills it then.
func (n *node) abandoned(ctx context.Context, seen func(stdout io.Reader) error, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, n.b.peer, append([]string{"--repo", n.repo}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	err = seen(stdout)
	took := time.Since(begin)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil {
		return 0, fmt.Errorf("peer %s: %w\n%s", args[0], err, &stderr)
	}
	return took, nil
}

func firstPrinted(ctx context.Context, n *node, link string) (time.Duration, error) {
	return n.abandoned(ctx, func(stdout io.Reader) error {
		_, err := io.ReadFull(stdout, make([]byte, 1))
		return err
	}, "cat", link)
}

// firstWritten looks at the part until something was written into it: the first
// chunk may be any of them.
func firstWritten(ctx context.Context, n *node, link string) (time.Duration, error) {
	out := filepath.Join(n.b.dir, "out-"+randomHex())
	defer func() { _, _ = os.Remove(out+".part"), os.Remove(out+".part.state") }()
	return n.abandoned(ctx, func(io.Reader) error {
		for ; ctx.Err() == nil; time.Sleep(time.Millisecond / 2) {
			f, err := os.Open(out + ".part")
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			any, err := begun(f, n.b.size)
			_ = f.Close()
			if any || err != nil {
				return err
			}
		}
		return ctx.Err()
	}, "get", link, "-o", out)
}
