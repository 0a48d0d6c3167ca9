package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"ringswap/internal/node"
)

func (d *demo) shareBoth(ctx context.Context) error {
	if err := d.makeFiles(); err != nil {
		return err
	}
	found, err := ask[node.Shared](ctx, d, "n2", "share", demoFile, demoFolder)
	if err != nil {
		return err
	}
	if len(found) != 2 {
		return fmt.Errorf("%d shares instead of 2", len(found))
	}
	d.file, d.folder = found[0], found[1]
	for _, s := range found {
		d.say("     %s: %s, %s\n", s.Name, size(s.Size), count(s.Chunks, "chunk"))
	}
	return nil
}

func (d *demo) getBoth(ctx context.Context) error {
	if _, err := d.get(ctx, "n4", d.file.Cid, demoFile); err != nil {
		return err
	}
	_, err := d.get(ctx, "n4", d.folder.Cid, demoFolder)
	return err
}

// get lets a node fetch a CID and compares what came with the original.
func (d *demo) get(ctx context.Context, repo, cid, original string, flags ...string) (node.Got, error) {
	path := repo + "-" + original
	got, err := askOne[node.Got](ctx, d, repo, append([]string{"get", cid, "-o", path}, flags...)...)
	if err != nil {
		return got, err
	}
	for i, p := range got.Peers {
		got.Peers[i].ID = d.name(p.ID)
	}
	var b strings.Builder
	printGot(&b, got)
	d.indent(b.String())
	if err := sameTree(filepath.Join(d.dir, original), filepath.Join(d.dir, path)); err != nil {
		return got, &node.Error{Kind: node.KindDamaged, What: "what was fetched is not what was shared", Why: err.Error()}
	}
	d.say("     compared with the original: every byte is the same\n")
	return got, nil
}

func (d *demo) getFromSecond(ctx context.Context) error {
	n2 := d.daemons["n2"]
	d.say("   $ kill -9 %d\n", n2.pid())
	n2.kill()
	got, err := d.get(ctx, "n3", d.file.Cid, demoFile)
	if err != nil {
		return err
	}
	for _, p := range got.Peers {
		if p.ID == "n2" && p.Bytes > 0 {
			return errors.New("a dead node sent bytes")
		}
	}
	return nil
}

func (d *demo) getFromSeveral(ctx context.Context) error {
	_, err := d.get(ctx, "n1", d.file.Cid, demoFile)
	return err
}

// resume kills a get at about a third, and lets another one finish it.
func (d *demo) resume(ctx context.Context) error {
	flags := d.nodeFlags(d.daemons["n1"].addr)
	path := "n6-" + demoFile
	slow := append([]string{"get", d.file.Cid, "-o", path, "--limit", fmt.Sprintf("%dkB", d.size/6000)}, flags...)
	if err := d.killMidway(ctx, "n6", 35, slow...); err != nil {
		return err
	}
	got, err := d.get(ctx, "n6", d.file.Cid, demoFile, flags...)
	if err != nil {
		return err
	}
	if got.Resumed == 0 {
		return errors.New("nothing was left of what the killed command had fetched")
	}
	return nil
}
