package main

import (
	"fmt"
	"io"
	"strings"

	"ringswap/internal/node"
)

// nearestShown is how many successors are listed unless all are asked for.
const nearestShown = 4

// printCircle draws a place on a Chord ring: the ring unrolled, the neighbours,
// and the fingers.
func printCircle(w io.Writer, r node.Ring, all bool) {
	if r.Predecessor == nil && len(r.Successors) == 0 {
		fmt.Fprintln(w, "\nalone: every key belongs to this node")
		return
	}
	fmt.Fprintf(w, "\n  %s\n  %s\n", unrolled(r), "@ this node  s successor  f finger  p predecessor; once around, from left to right")
	fmt.Fprintln(w)
	t := newTable(w)
	if p := r.Predecessor; p != nil {
		t.row("  predecessor", short(p.ID), place(p.Place), portion(p.Distance)+" behind", pulse(*p), roundTrip(*p), addresses(*p))
		t.row("      |")
		t.row("  this node", short(r.ID), place(r.Place), "has those "+portion(p.Distance)+" of the keys")
	} else {
		t.row("  predecessor", "not known yet")
		t.row("      |")
		t.row("  this node", short(r.ID), place(r.Place))
	}
	t.row("      |")
	shown := r.Successors
	if !all {
		shown = shown[:min(nearestShown, len(shown))]
	}
	for i, p := range shown {
		t.row(fmt.Sprintf("  successor %d", i+1), short(p.ID), place(p.Place), portion(p.Distance)+" ahead", pulse(p), roundTrip(p), addresses(p))
	}
	if n := len(r.Successors) - len(shown); n > 0 {
		t.row(fmt.Sprintf("  and %d more", n), "(peer ring --all)")
	}
	t.flush()
	printFingers(w, r)
	if r.Cached > 0 {
		fmt.Fprintf(w, "\nremembered from lookups: %s more\n", count(r.Cached, "node"))
	}
}

// unrolledCells is the width of the drawing of the ring.
const unrolledCells = 72

// unrolled is the ring as one line that begins and ends at this node.
func unrolled(r node.Ring) string {
	line := []byte(strings.Repeat(".", unrolledCells))
	mark := func(at float64, c byte) {
		line[min(unrolledCells-2, max(1, int(at*unrolledCells)))] = c
	}
	for _, f := range r.Fingers {
		mark(f.Distance, 'f')
	}
	for _, s := range r.Successors {
		mark(s.Distance, 's')
	}
	if r.Predecessor != nil {
		mark(1-r.Predecessor.Distance, 'p')
	}
	line[0], line[unrolledCells-1] = '@', '@'
	return string(line)
}

// printFingers lists the fingers by row and digit. A node that serves several
// digits is listed once.
func printFingers(w io.Writer, r node.Ring) {
	if len(r.Fingers) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable(w, "  FINGER", "FROM", "NODE", "PLACE", "AHEAD", "", "ROUND TRIP")
	for i := 0; i < len(r.Fingers); {
		f := r.Fingers[i]
		last := i
		for last+1 < len(r.Fingers) && r.Fingers[last+1].ID == f.ID && r.Fingers[last+1].Row == f.Row {
			last++
		}
		digits := fmt.Sprintf("  row %d, %d", f.Row, f.Digit)
		if d := r.Fingers[last].Digit; d != f.Digit {
			digits = fmt.Sprintf("  row %d, %d to %d", f.Row, min(d, f.Digit), max(d, f.Digit))
		}
		t.row(digits, portion(f.From), short(f.ID), place(f.Place), portion(f.Distance), pulse(f.RingPeer), roundTrip(f.RingPeer))
		i = last + 1
	}
	t.flush()
}

// printBuckets draws Kademlia's buckets, the far half of the keyspace first.
func printBuckets(w io.Writer, buckets []node.Bucket, all bool) {
	fmt.Fprintln(w)
	t := newTable(w, "  BUCKET", "OF THE KEYSPACE", "CONTACTS", "", "SPARES", "SILENT", "LAST SEEN", "LAST LOOKUP")
	for i, b := range buckets {
		depth, share := fmt.Sprintf("  %d", b.Depth), "1/"+power(b.Depth+1)
		if i == len(buckets)-1 { // it also has all that is nearer
			depth, share = fmt.Sprintf("  %d+", b.Depth), "1/"+power(b.Depth)
		}
		silent := 0
		var seen *float64
		for _, c := range b.Contacts {
			if c.Silent > 0 {
				silent++
			}
			if c.Seen != nil && (seen == nil || *c.Seen < *seen) {
				seen = c.Seen
			}
		}
		t.row(depth, share, fill(len(b.Contacts), b.Room), fmt.Sprintf("%d of %d", len(b.Contacts), b.Room),
			fmt.Sprint(b.Spares), fmt.Sprint(silent), since(seen), since(b.Looked))
	}
	t.flush()
	if !all {
		return
	}
	fmt.Fprintln(w)
	t = newTable(w, "  BUCKET", "NODE", "PLACE", "DISTANCE", "", "ADDRESS")
	for _, b := range buckets {
		for _, c := range b.Contacts {
			t.row(fmt.Sprintf("  %d", b.Depth), short(c.ID), place(c.Place), portion(c.Distance), pulse(c), addresses(c))
		}
	}
	t.flush()
}

// power is 2^n for people.
func power(n int) string {
	if n > 16 {
		return fmt.Sprintf("2^%d", n)
	}
	return fmt.Sprint(1 << n)
}

// fillCells is the width of a bar.
const fillCells = 20

// fill is a bar for n of room.
func fill(n, room int) string {
	if room <= 0 {
		return ""
	}
	full := min(fillCells, (n*fillCells+room-1)/room)
	return strings.Repeat("#", full) + strings.Repeat(".", fillCells-full)
}

// since is a time in the past.
func since(s *float64) string {
	if s == nil {
		return "never"
	}
	return seconds(*s) + " ago"
}
