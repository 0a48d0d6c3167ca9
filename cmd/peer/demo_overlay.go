package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ringswap/internal/node"
)

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
