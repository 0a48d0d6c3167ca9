package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"ringswap/internal/node"
)

// demoBound is the time in which the demo ends, whatever happens.
const demoBound = 120 * time.Second

func demoCommand(p *program) *cli.Command {
	return p.command(&cli.Command{
		Name:     "demo",
		Category: categoryTools,
		Usage:    "show it at work: several nodes on this machine share and fetch",
		Description: `Starts nodes as processes of their own on the loopback interface, and prints
every command it runs, so that you can run them yourself. Nothing leaves this
machine, and your repo is not touched. It does so on one overlay after the
other, and ends by itself, with code 0 only if every byte arrived.

Examples:
   peer demo
   peer demo --overlay chord --size 16MiB`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "overlay", Value: demoAll, Usage: "the `NAME` of the overlay to show: " + strings.Join(node.Overlays(), ", ") + " or " + demoAll},
			&cli.BoolFlag{Name: "keep", Usage: "keep the folder with all repos, files and logs"},
			&cli.StringFlag{Name: "size", Value: "64MiB", Usage: "the `SIZE` of the file that is shared, at least 4MiB"},
		},
	}, 0, 0, runDemo)
}

func runDemo(ctx context.Context, in *invocation) (err error) {
	size, err := in.rate("size", parseRate)
	if err != nil {
		return err
	}
	if size < 4<<20 {
		return usageError("peer demo --size 64MiB", "--size %s is less than 4MiB", in.cli.String("size"))
	}
	overlays, err := demoOverlays(in.cli.String("overlay"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, demoBound, errDemoTooLong)
	defer cancel()
	begin := time.Now()
	for i, name := range overlays {
		if err := demoOverlay(ctx, in, name, size, i == len(overlays)-1); err != nil {
			if cause := context.Cause(ctx); errors.Is(cause, errDemoTooLong) {
				return &node.Error{Kind: node.KindTimeout, What: cause.Error(), Why: err.Error(), Try: "peer demo --keep, and look at the logs"}
			}
			return err
		}
	}
	if len(overlays) > 1 && !in.quiet {
		fmt.Fprintf(in.stdout, "\nOn %s: everything matched, in %s.\n", strings.Join(overlays, " and on "), seconds(time.Since(begin).Seconds()))
	}
	return nil
}

// demoAll as --overlay shows all of them.
const demoAll = "both"

// demoOverlays are those that --overlay names, the default one first.
func demoOverlays(name string) ([]string, error) {
	all := node.Overlays()
	switch {
	case name == demoAll:
		slices.SortStableFunc(all, func(a, b string) int {
			if a == b || a != node.OverlayKademlia && b != node.OverlayKademlia {
				return 0
			} else if a == node.OverlayKademlia {
				return -1
			}
			return 1
		})
		return all, nil
	case slices.Contains(all, name):
		return []string{name}, nil
	}
	return nil, usageError("peer demo", "there is no overlay %q to show; it is %s or %s", name, strings.Join(all, ", "), demoAll)
}

// demoOverlay is the demonstration on one overlay. last says that no other comes
// after it, so that it also shows what has nothing to do with overlays.
func demoOverlay(ctx context.Context, in *invocation, name string, size int64, last bool) (err error) {
	d, err := newDemo(in, name, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.end(err, in.cli.Bool("keep"))) }()
	begin := time.Now()
	for i, step := range d.steps(last) {
		d.say("\n%d. %s\n", i+1, step.title)
		if err := step.run(ctx); err != nil {
			return err
		}
	}
	d.say("\nEverything matched on %s, in %s.\n", name, seconds(time.Since(begin).Seconds()))
	return nil
}

var errDemoTooLong = fmt.Errorf("the demo did not end within %v", demoBound)

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
		steps = append(steps, demoStep{"A sixth node, without a daemon, is killed (kill -9) midway, and goes on where it was.", d.resume})
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

func (d *demo) lookUp(ctx context.Context) error {
	l, err := askOne[node.Lookup](ctx, d, "n5", "lookup", d.file.Cid, "--trace")
	if err != nil {
		return err
	}
	for i, s := range l.Trace {
		l.Trace[i].ID = d.name(s.ID)
	}
	for i, c := range l.Closest {
		l.Closest[i].ID = d.name(c.ID)
	}
	var b strings.Builder
	printLookup(&b, l)
	d.indent(b.String())
	if len(l.Closest) == 0 {
		return errors.New("no responsible node was found")
	}
	return nil
}

// showPlace asks n5 until it knows all others: they came only a moment ago.
func (d *demo) showPlace(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for quiet := false; ; quiet = true {
		views, err := askQuietly[node.Ring](ctx, d, quiet, "n5", "ring")
		if err != nil {
			return err
		}
		if len(views) != 1 {
			return fmt.Errorf("peer ring printed %d objects instead of one", len(views))
		}
		if r := views[0]; r.Entries == len(d.daemons)-1 && (r.Buckets != nil || r.Predecessor != nil && len(r.Successors) == r.Entries) {
			d.nameRing(&r)
			var b strings.Builder
			printRing(&b, r, false)
			d.indent(b.String())
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("n5 does not find all others")
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// nameRing calls the nodes of a view as the demo does.
func (d *demo) nameRing(r *node.Ring) {
	r.ID = d.name(r.ID)
	if r.Predecessor != nil {
		r.Predecessor.ID = d.name(r.Predecessor.ID)
	}
	for i := range r.Successors {
		r.Successors[i].ID = d.name(r.Successors[i].ID)
	}
	for i := range r.Fingers {
		r.Fingers[i].ID = d.name(r.Fingers[i].ID)
	}
}

// awaitSecondHolder asks until the overlay knows that n4 has the file, too: it
// announces that in the background.
func (d *demo) awaitSecondHolder(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	n4 := d.daemons["n4"].id
	for quiet := false; ; quiet = true {
		found, err := askQuietly[node.Provider](ctx, d, quiet, "n5", "providers", d.file.Cid)
		if err != nil {
			return err
		}
		for _, p := range found {
			if p.ID == n4 {
				for _, p := range found {
					d.say("     %s, says the %s\n", d.name(p.ID), p.Source)
				}
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("the overlay does not learn that n4 has the file")
		case <-time.After(200 * time.Millisecond):
		}
	}
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
