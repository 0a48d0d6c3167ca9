package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Small files.
const (
	smallFiles = 10_000
	smallBytes = 4 << 10
)

// small: a folder of many small files, against asking for one after the other,
// and against tar. All of them sync what they have written.
func (b *bench) small(ctx context.Context) ([]figure, error) {
	folder := filepath.Join(b.dir, "small")
	if err := fillFolder(folder); err != nil {
		return nil, err
	}
	seeder, err := b.daemon(ctx, "", overTCP)
	if err != nil {
		return nil, err
	}
	defer seeder.stop()
	var shared struct{ Link string }
	if _, err := seeder.command(ctx, &shared, "share", folder); err != nil {
		return nil, err
	}
	ways := []string{"stream", "request", "tar"}
	ratios := make(map[string][]float64)
	var ours []float64
	for range min(b.runs, 3) {
		took, err := b.oneSmall(ctx, shared.Link, folder)
		if err != nil {
			return nil, err
		}
		ours = append(ours, took)
		for _, way := range ways {
			p, err := b.bare(ctx, "--files", way, "--fsync", "--input", folder)
			if err != nil {
				return nil, err
			}
			ratios[way] = append(ratios[way], p.Seconds/took)
		}
	}
	name := fmt.Sprintf("%d files of %d bytes: ", smallFiles, smallBytes)
	return []figure{
		{Name: name + "a request and a stream for each / get", Value: median(ratios["stream"]), Unit: "x", Bound: 5, AtLeast: true, Note: spread(ratios["stream"])},
		{Name: name + "a request for each on one stream / get", Value: median(ratios["request"]), Unit: "x", Note: spread(ratios["request"])},
		{Name: name + "tar over a raw stream / get", Value: median(ratios["tar"]), Unit: "x", Note: spread(ratios["tar"])},
		{Name: name + "get", Value: median(ours), Unit: "s", Note: spread(ours)},
	}, nil
}

// oneSmall gets the folder and returns the seconds.
func (b *bench) oneSmall(ctx context.Context, link, folder string) (float64, error) {
	getter, err := b.daemon(ctx, "", overTCP)
	if err != nil {
		return 0, err
	}
	defer getter.stop()
	out := filepath.Join(b.dir, "out-"+randomHex())
	took, err := getter.command(ctx, nil, "get", link, "-o", out)
	if err != nil {
		return 0, err
	}
	if err := exec.CommandContext(ctx, "diff", "-r", "-q", folder, out).Run(); err != nil {
		return 0, fmt.Errorf("%s and %s differ: %w", folder, out, err)
	}
	return took.Seconds(), os.RemoveAll(out)
}

func fillFolder(dir string) error {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	b := make([]byte, smallBytes)
	for i := range smallFiles {
		_, _ = rand.Read(b) // never fails
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d", i)), b, 0o666); err != nil {
			return err
		}
	}
	return nil
}
