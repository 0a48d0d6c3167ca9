package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
)

// output is where a command writes: results on stdout, everything else on
// stderr.
type output struct {
	stdout, stderr       io.Writer
	json, quiet, verbose bool
}

// object writes v as one line of JSON.
func (o *output) object(v any) error {
	e := json.NewEncoder(o.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// result writes v as JSON for a program, or lets human write it for a person.
func (o *output) result(v any, human func(w io.Writer)) error {
	if o.json {
		return o.object(v)
	}
	var b strings.Builder
	human(&b)
	_, err := io.WriteString(o.stdout, b.String())
	return err
}

// table aligns columns: one row a line, cells separated by tabs.
type table struct {
	out  io.Writer
	text strings.Builder
	tabs *tabwriter.Writer
}

func newTable(w io.Writer, heads ...string) *table {
	t := &table{out: w}
	t.tabs = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', 0)
	if len(heads) > 0 {
		t.row(heads...)
	}
	return t
}

// row adds a line. Cells come from other people's machines: what could move
// the cursor or break the line is shown, not done.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = printable(c)
	}
	fmt.Fprintln(t.tabs, strings.Join(cells, "\t"))
}

// flush writes the table, without spaces at the ends of lines.
func (t *table) flush() {
	_ = t.tabs.Flush() // into memory
	for line := range strings.Lines(t.text.String()) {
		fmt.Fprintln(t.out, strings.TrimRight(line, " \n"))
	}
}

// printable replaces control characters, so that a file's name cannot play
// tricks on a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return '\ufffd'
		}
		return r
	}, s)
}

// size is a number of bytes for people.
func size(n int64) string {
	if n < 0 {
		return "-" + humanize.IBytes(uint64(-n))
	}
	return humanize.IBytes(uint64(n))
}

// rate is bytes a second for people.
func rate(bytesPerSecond float64) string {
	if bytesPerSecond < 0 {
		bytesPerSecond = 0
	}
	return humanize.IBytes(uint64(bytesPerSecond)) + "/s"
}

// seconds is a time span for people.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// count is a number with its noun.
func count(n int, noun string) string {
	return english.Plural(n, noun, "")
}

// short is enough of a peer ID to tell it from the others.
func short(id string) string {
	if len(id) <= 16 {
		return id
	}
	return id[:8] + "…" + id[len(id)-6:]
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
