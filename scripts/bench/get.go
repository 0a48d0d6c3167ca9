package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// get: one whole transfer between two daemons against the bare pipeline, over
// either transport.
func (b *bench) get(ctx context.Context) ([]figure, error) {
	figures, err := b.getOver(ctx, "TCP", overTCP)
	if err != nil {
		return nil, err
	}
	more, err := b.getOver(ctx, "QUIC", overQUIC, "--quic")
	return append(figures, more...), err
}

// piped is what the bare pipeline prints.
type piped struct {
	Seconds    float64
	SendCPU    float64 `json:"send_cpu_seconds"`
	ReceiveCPU float64 `json:"receive_cpu_seconds"`
}

func (p piped) cpu() float64 { return p.SendCPU + p.ReceiveCPU }

// bare runs the bare pipeline once.
func (b *bench) bare(ctx context.Context, flags ...string) (p piped, err error) {
	cmd := exec.CommandContext(ctx, b.pipeline, append([]string{"--json", "--dir", b.dir}, flags...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return p, fmt.Errorf("bare pipeline: %w", err)
	}
	return p, json.Unmarshal(out, &p)
}

// transfers are the runs of get over one transport.
type transfers struct {
	ratios, ours, bare   []float64 // seconds
	synced               []float64 // ours / those of a pipeline that syncs the file too
	busy                 []float64 // processor time of both daemons / of the pipeline's processes
	serving, fetching    []float64 // processor time, in seconds
	servedMem, fetchdMem float64   // the most, in MiB
}

// getOver measures over one transport: in turn, each into a new file of the same
// folder.
func (b *bench) getOver(ctx context.Context, name, listen string, flags ...string) ([]figure, error) {
	seeder, err := b.daemon(ctx, "", listen)
	if err != nil {
		return nil, err
	}
	defer seeder.stop()
	var shared struct{ Cid, Link string }
	if _, err := seeder.command(ctx, &shared, "share", b.file); err != nil {
		return nil, err
	}
	var t transfers
	flags = append(flags, "--input", b.file)
	for range b.runs {
		anchor, err := b.bare(ctx, flags...)
		if err != nil {
			return nil, err
		}
		if err := b.oneGet(ctx, &t, anchor, seeder, shared.Link, listen); err != nil {
			return nil, err
		}
		synced, err := b.bare(ctx, append(slices.Clone(flags), "--fsync")...)
		if err != nil {
			return nil, err
		}
		t.synced = append(t.synced, t.ours[len(t.ours)-1]/synced.Seconds)
	}
	t.servedMem = must(seeder.memory("VmHWM"))
	gib := float64(b.size) / (1 << 30)
	return []figure{
		{Name: "get / bare pipeline, " + name, Value: median(t.ratios), Unit: "x", Bound: 1.1, Note: spread(t.ratios)},
		{Name: "get / bare pipeline that syncs the file as get does, " + name, Value: median(t.synced), Unit: "x", Note: spread(t.synced)},
		{Name: "get, " + name, Value: median(t.ours), Unit: "s", Note: fmt.Sprintf("bare pipeline %.2f s", median(t.bare))},
		{
			Name: "processor time of get / of the bare pipeline, " + name, Value: median(t.busy), Unit: "x",
			Note: fmt.Sprintf("a GiB: serving %.2f s, fetching %.2f s", median(t.serving)/gib, median(t.fetching)/gib),
		},
		{Name: "peak memory, serving daemon, " + name, Value: t.servedMem, Unit: "MiB", Bound: 150},
		{Name: "peak memory, fetching daemon, " + name, Value: t.fetchdMem, Unit: "MiB", Bound: 150},
	}, nil
}

func (b *bench) oneGet(ctx context.Context, t *transfers, anchor piped, seeder *node, link, listen string) error {
	getter, err := b.daemon(ctx, "", listen)
	if err != nil {
		return err
	}
	defer func() { getter.stop(); _ = os.RemoveAll(getter.repo) }()
	out := filepath.Join(b.dir, "out-"+randomHex())
	served, fetched := must(seeder.cpu()), must(getter.cpu())
	took, err := getter.command(ctx, nil, "get", link, "-o", out)
	if err != nil {
		return err
	}
	served, fetched = must(seeder.cpu())-served, must(getter.cpu())-fetched
	t.fetchdMem = max(t.fetchdMem, must(getter.memory("VmHWM")))
	if err := sameBytes(ctx, b.file, out); err != nil {
		return err
	}
	t.ours, t.bare = append(t.ours, took.Seconds()), append(t.bare, anchor.Seconds)
	t.ratios = append(t.ratios, took.Seconds()/anchor.Seconds)
	t.serving, t.fetching = append(t.serving, served), append(t.fetching, fetched)
	t.busy = append(t.busy, (served+fetched)/anchor.cpu())
	return os.Remove(out)
}

// capped: one file from four providers whose way out is narrow.
func (b *bench) capped(ctx context.Context) ([]figure, error) {
	const providers, limit = 4, 20_000_000
	link := ""
	for range providers {
		n, err := b.daemon(ctx, "", overTCP, "--limit-up", fmt.Sprint(limit))
		if err != nil {
			return nil, err
		}
		defer n.stop()
		var shared struct{ Link string }
		if _, err := n.command(ctx, &shared, "share", b.file); err != nil {
			return nil, err
		}
		if link == "" {
			link = shared.Link
			continue
		}
		for _, part := range strings.FieldsFunc(shared.Link, func(r rune) bool { return r == '?' || r == '&' }) {
			if strings.HasPrefix(part, "at=") {
				link += "&" + part
			}
		}
	}
	var shares []float64
	for range min(b.runs, 3) {
		getter, err := b.daemon(ctx, "", overTCP)
		if err != nil {
			return nil, err
		}
		out := filepath.Join(b.dir, "out-"+randomHex())
		took, err := getter.command(ctx, nil, "get", link, "-o", out)
		getter.stop()
		if err == nil {
			err = sameBytes(ctx, b.file, out)
		}
		if err != nil {
			return nil, err
		}
		shares = append(shares, float64(b.size)/took.Seconds()/(providers*limit))
		_, _ = os.Remove(out), os.RemoveAll(getter.repo)
	}
	return []figure{{
		Name: "4 providers of 20 MB/s each: rate / 80 MB/s", Value: median(shares), Unit: "x",
		Bound: 0.93, AtLeast: true, Note: spread(shares),
	}}, nil
}
