package figure

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Table is a list of measurements: a CSV file for programs, aligned columns for
// people.
type Table struct {
	// Name is the CSV file's name without its extension.
	Name string
	// Title says what the rows are.
	Title   string
	Columns []Column
	// Rows have a cell for each column: a string, an integer, a float64, or nil
	// where there is no value.
	Rows [][]any
}

// Column is one column of a table.
type Column struct {
	// Name is the CSV's heading, Head what people read; "" means Name.
	Name, Head string
	// Digits are those after the point of float64 cells.
	Digits int
}

// Add appends a row.
func (t *Table) Add(cells ...any) { t.Rows = append(t.Rows, cells) }

// Validate reports a row that does not fit the columns.
func (t *Table) Validate() error {
	if t.Name == "" || strings.ContainsAny(t.Name, `/\. `) {
		return fmt.Errorf("figure: %q is no name for a table's file", t.Name)
	}
	for i, r := range t.Rows {
		if len(r) != len(t.Columns) {
			return fmt.Errorf("figure: table %s: row %d has %d cells for %d columns", t.Name, i+1, len(r), len(t.Columns))
		}
	}
	return nil
}

// cell writes one value; none is what stands for a missing one.
func (c Column) cell(v any, none string) string {
	switch v := v.(type) {
	case nil:
		return none
	case float64:
		return strconv.FormatFloat(v, 'f', c.Digits, 64)
	case string:
		return v
	}
	return fmt.Sprint(v)
}

func (c Column) head() string {
	if c.Head != "" {
		return c.Head
	}
	return c.Name
}

// CSV is the table as RFC 4180 has it, with a heading and lines ending in \n.
func (t *Table) CSV() ([]byte, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	line := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		line[i] = c.Name
	}
	_ = w.Write(line) // a buffer takes everything
	for _, r := range t.Rows {
		for i, c := range t.Columns {
			line[i] = c.cell(r[i], "")
		}
		_ = w.Write(line)
	}
	w.Flush()
	return buf.Bytes(), w.Error()
}

// Print writes the table in aligned columns.
func (t *Table) Print(dst io.Writer) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if t.Title != "" {
		fmt.Fprintln(dst, t.Title)
	}
	w := tabwriter.NewWriter(dst, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, c := range t.Columns {
		fmt.Fprintf(w, "%s\t", c.head())
	}
	fmt.Fprintln(w)
	for _, r := range t.Rows {
		for i, c := range t.Columns {
			fmt.Fprintf(w, "%s\t", c.cell(r[i], "-"))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// Markdown is the table as GitHub shows it.
func (t *Table) Markdown() string {
	var b strings.Builder
	for _, c := range t.Columns {
		fmt.Fprintf(&b, "| %s ", escapePipes(c.head()))
	}
	b.WriteString("|\n")
	for _, c := range t.Columns {
		if t.textual(c) {
			b.WriteString("|---")
		} else {
			b.WriteString("|--:")
		}
	}
	b.WriteString("|\n")
	for _, r := range t.Rows {
		for i, c := range t.Columns {
			fmt.Fprintf(&b, "| %s ", escapePipes(c.cell(r[i], "–")))
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// textual reports whether a column holds words.
func (t *Table) textual(c Column) bool {
	for i := range t.Columns {
		if t.Columns[i] == c && len(t.Rows) > 0 {
			_, ok := t.Rows[0][i].(string)
			return ok
		}
	}
	return false
}

func escapePipes(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
