package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ringswap/internal/node"
)

// demo is a running demonstration.
type demo struct {
	out     io.Writer
	errOut  io.Writer
	self    string // this program
	dir     string // everything is in it; commands run there
	overlay string
	network string
	size    int64
	daemons map[string]*daemon // by repo
	file    node.Shared
	folder  node.Shared
}

// The files of the demo, and its repos, relative to its folder.
const (
	demoFile   = "film.bin"
	demoFolder = "album"
)

func newDemo(in *invocation, overlay string, size int64) (*demo, error) {
	self, err := in.program.self()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ringswap-demo-")
	if err != nil {
		return nil, err
	}
	d := &demo{
		out: in.stdout, errOut: in.stderr, self: self, dir: dir, overlay: overlay, size: size,
		network: filepath.Base(dir)[len("ringswap-"):], daemons: make(map[string]*daemon),
	}
	if in.quiet {
		d.out = io.Discard
	}
	d.say("=== %s: nodes of a network of their own on this machine; everything is in %s\n", overlay, dir)
	return d, nil
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format, args...) }

// end stops every process that still runs and removes the folder.
func (d *demo) end(failed error, keep bool) error {
	var errs []error
	for _, n := range d.daemons {
		n.interrupt()
	}
	for name, n := range d.daemons {
		if err := n.wait(5 * time.Second); err != nil && failed == nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	if keep || failed != nil && !errors.Is(failed, context.Canceled) {
		d.say("\nThe repos, files and logs are kept in %s\n", d.dir)
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

type demoStep struct {
	title string
	run   func(context.Context) error
}

// demoPlaces is what the overlay makes of its nodes, for each.
var demoPlaces = map[string]string{
	node.OverlayKademlia: "How does n5 see its overlay? Buckets, each for half of what the one before left of the keyspace.",
	node.OverlayChord:    "How does n5 see its overlay? A ring, with those before and after it, and fingers across it.",
}

func (d *demo) steps(last bool) []demoStep {
	steps := []demoStep{
		{"Five daemons. Four of them enter the overlay through the first.", d.startDaemons},
		{"Node n2 shares a file and a folder. They are hashed where they are, not copied.", d.shareBoth},
		{"Node n4 gets both. It knows only the CIDs, and finds who has them through the overlay.", d.getBoth},
		{"Which nodes keep the record of who has the file? Node n5 looks them up, hop by hop.", d.lookUp},
		{demoPlaces[d.overlay], d.showPlace},
		{"Who has it by now? What n4 got it also shares.", d.awaitSecondHolder},
		{"The first one to share it dies (kill -9). Node n3 gets the file from those who are left.", d.getFromSecond},
		{"Node n1 gets it from several nodes at once.", d.getFromSeveral},
	}
	if last {
		steps = append(steps,
			demoStep{"A sixth node, without a daemon, is killed (kill -9) midway, and goes on where it was.", d.resume},
			demoStep{"A swarm of five: one has a file, three get it and give what they have, one gets it and serves nobody.", d.showSwarm})
	}
	return steps
}

func (d *demo) startDaemons(ctx context.Context) error {
	var first string
	for _, repo := range []string{"n1", "n2", "n3", "n4", "n5"} {
		begin := time.Now()
		n, ready, err := d.startDaemon(ctx, repo, d.nodeFlags(first)...)
		if n != nil {
			d.daemons[repo] = n
		}
		if err != nil {
			return err
		}
		if len(ready.Addrs) == 0 {
			return fmt.Errorf("%s is ready, but has no address", repo)
		}
		d.say("     %s, ready after %s\n", ready.ID, seconds(time.Since(begin).Seconds()))
		if first == "" {
			first = ready.Addrs[0]
		}
	}
	return nil
}

// nodeFlags are the flags of a node of the demo.
func (d *demo) nodeFlags(bootstrap string) []string {
	flags := []string{"--overlay", d.overlay, "--network", d.network, "--listen", "/ip4/127.0.0.1/tcp/0", "--no-mdns"}
	if bootstrap != "" {
		flags = append(flags, "--bootstrap", bootstrap)
	}
	return flags
}

// indent prints a part of a result.
func (d *demo) indent(text string) {
	for line := range strings.Lines(text) {
		if line != "\n" {
			line = "     " + line
		}
		d.say("%s", line)
	}
}

// name is what the demo calls the node with an ID.
func (d *demo) name(id string) string {
	for name, n := range d.daemons {
		if n.id == id {
			return name
		}
	}
	return id
}
