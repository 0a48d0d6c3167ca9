package figure

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Report is what a program found.
type Report struct {
	// Title heads the section of a page, Text is what to think of the numbers:
	// paragraphs of Markdown.
	Title string
	Text  []string
	// Charts and Tables become files.
	Charts []*Chart
	Tables []*Table
	// Bounds are what was promised.
	Bounds []Bound
	// Result is what --json prints: one object. Where the numbers go into a table
	// alone it may be nil: then the tables are printed as JSON.
	Result any
}

// Bound is a promise and what became of it.
type Bound struct {
	What  string  `json:"what"`
	Ours  float64 `json:"ours"`
	Limit float64 `json:"bound"`
	// AtLeast says that Ours must not be less than Limit; otherwise not more.
	AtLeast bool   `json:"at_least,omitempty"`
	Unit    string `json:"unit,omitempty"`
	// Others is what was published for the same, "" if nothing was.
	Others string `json:"published,omitempty"`
	// Digits are those after the point when it is printed.
	Digits int `json:"-"`
}

// Holds reports whether the promise is kept.
func (b Bound) Holds() bool {
	if b.AtLeast {
		return b.Ours >= b.Limit
	}
	return b.Ours <= b.Limit
}

// BoundTable lists bounds for people.
func BoundTable(bounds []Bound) *Table {
	t := &Table{Name: "bounds", Columns: []Column{
		{Name: "what"}, {Name: "ours"}, {Name: "bound"}, {Name: "published"}, {Name: "verdict"},
	}}
	for _, b := range bounds {
		sign, verdict := "≤ ", "holds"
		if b.AtLeast {
			sign = "≥ "
		}
		if !b.Holds() {
			verdict = "MISSED"
		}
		var others any
		if b.Others != "" {
			others = b.Others
		}
		t.Add(b.What, b.number(b.Ours), sign+b.number(b.Limit), others, verdict)
	}
	return t
}

func (b Bound) number(v float64) string {
	text := fmt.Sprintf("%.*f", b.Digits, v)
	if b.Unit != "" {
		text += " " + b.Unit
	}
	return text
}

// Write makes the report's files in dir, which is made if need be, and returns
// their names. A file is replaced whole or not at all.
func (r *Report) Write(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var names []string
	put := func(name string, make func() ([]byte, error)) error {
		data, err := make()
		if err != nil {
			return err
		}
		names = append(names, name)
		return writeFile(filepath.Join(dir, name), data)
	}
	var errs []error
	for _, t := range r.Tables {
		errs = append(errs, put(t.Name+".csv", t.CSV))
	}
	for _, c := range r.Charts {
		errs = append(errs, put(c.Name+".svg", c.SVG), put(c.Name+".png", c.PNG))
	}
	return names, errors.Join(errs...)
}

func writeFile(path string, data []byte) error {
	tmp := path + ".part"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// Print writes the report for people.
func (r *Report) Print(dst io.Writer) error {
	for i, t := range r.Tables {
		if i > 0 {
			fmt.Fprintln(dst)
		}
		if err := t.Print(dst); err != nil {
			return err
		}
	}
	if len(r.Bounds) == 0 {
		return nil
	}
	fmt.Fprintln(dst)
	return BoundTable(r.Bounds).Print(dst)
}

// PrintJSON writes the report as one object on one line.
func (r *Report) PrintJSON(dst io.Writer) error {
	if r.Result != nil {
		return json.NewEncoder(dst).Encode(r.Result)
	}
	out := make(map[string]any)
	for _, t := range r.Tables {
		rows := []map[string]any{}
		for _, cells := range t.Rows {
			row := make(map[string]any)
			for i, c := range t.Columns {
				row[c.Name] = cells[i]
			}
			rows = append(rows, row)
		}
		out[t.Name] = rows
	}
	if len(r.Bounds) > 0 {
		out["bounds"] = r.Bounds
	}
	return json.NewEncoder(dst).Encode(out)
}

// Markdown is the report as a section of a page that stands in the folder of
// its files.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", r.Title)
	for _, c := range r.Charts {
		fmt.Fprintf(&b, "![%s](%s.svg)\n\n", c.Title, c.Name)
	}
	for _, p := range r.Text {
		fmt.Fprintf(&b, "%s\n\n", p)
	}
	if len(r.Bounds) > 0 {
		fmt.Fprintf(&b, "%s\n", BoundTable(r.Bounds).Markdown())
	}
	for _, t := range r.Tables {
		summary := t.Title
		if summary == "" {
			summary = "The numbers"
		}
		fmt.Fprintf(&b, "<details><summary>%s (<a href=\"%s.csv\">CSV</a>)</summary>\n\n%s\n</details>\n\n",
			summary, t.Name, t.Markdown())
	}
	return b.String()
}
