package figure

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func sampleChart() *Chart {
	return &Chart{
		Name: "sample", Title: "A title with <angles> & more", Subtitle: "and a subtitle", Caption: "1,000 nodes, seed 1",
		Panels: []Panel{{
			X: Axis{Label: "nodes", Log: true},
			Y: Axis{Label: "hops"},
			Series: []Series{
				{Label: "one", Color: Blue, Points: pointsOf([]float64{10, 100, 1000}, []float64{1, 2, 3})},
				{Label: "two\nlines", Color: Orange, Points: []Point{{X: 10, Y: 1.1, Lo: 1, Hi: 1.2}, {X: 1000, Y: 3.01}}},
				{Label: "formula", Kind: Theory, Color: Grey, Points: Sample(math.Log10, 10, 1000, 20, true)},
				{Label: "paper", Kind: Paper, Side: Above, At: -1, Points: pointsOf([]float64{10, 100}, []float64{2, 4})},
				{Label: "limit", Kind: Limit, Side: Left, Points: pointsOf([]float64{100}, []float64{2.5})},
				{Kind: Area, Color: Green, Points: pointsOf([]float64{10, 1000}, []float64{.5, .7}), Side: Below},
			},
			Notes: []Note{{X: 100, Y: 1, Text: "a note", Side: Right}},
		}},
	}
}

// The same chart is the same bytes, and they are well-formed.
func TestChartFiles(t *testing.T) {
	var first [2][]byte
	for i := range 2 {
		svg, err := sampleChart().SVG()
		if err != nil {
			t.Fatal(err)
		}
		pixels, err := sampleChart().PNG()
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = [2][]byte{svg, pixels}
			continue
		}
		if !bytes.Equal(svg, first[0]) || !bytes.Equal(pixels, first[1]) {
			t.Error("drawn twice, the chart differs")
		}
	}
	for dec := xml.NewDecoder(bytes.NewReader(first[0])); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("SVG: %v", err)
		}
	}
	for _, want := range []string{"<title>A title with &lt;angles&gt;", "Arial", ">one<", ">lines<", ">a note<"} {
		if !strings.Contains(string(first[0]), want) {
			t.Errorf("the SVG has no %s", want)
		}
	}
	img, err := png.Decode(bytes.NewReader(first[1]))
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() != 1440 || b.Dy() != 900 {
		t.Errorf("the PNG is %v", b)
	}
}

func TestChartRefusesWhatHasNoPlace(t *testing.T) {
	for name, spoil := range map[string]func(*Chart){
		"no name":        func(c *Chart) { c.Name = "" },
		"path":           func(c *Chart) { c.Name = "../x" },
		"no panel":       func(c *Chart) { c.Panels = nil },
		"no series":      func(c *Chart) { c.Panels[0].Series = nil },
		"no points":      func(c *Chart) { c.Panels[0].Series[0].Points = nil },
		"NaN":            func(c *Chart) { c.Panels[0].Series[0].Points[0].Y = math.NaN() },
		"infinite":       func(c *Chart) { c.Panels[0].Series[0].Points[0].Y = math.Inf(1) },
		"zero on a log":  func(c *Chart) { c.Panels[0].Series[0].Points[0].X = 0 },
		"label off line": func(c *Chart) { c.Panels[0].Series[3].At = -3 },
		"negative size":  func(c *Chart) { c.Width = -1 },
	} {
		c := sampleChart()
		spoil(c)
		if _, err := c.SVG(); err == nil {
			t.Errorf("%s: drawn", name)
		}
		if _, err := c.PNG(); err == nil {
			t.Errorf("%s: drawn as PNG", name)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		axis   Axis
		values []float64
		want   string
	}{
		{Axis{}, []float64{0, 5}, "0 2 4"},
		{Axis{Min: 0, Max: 5}, nil, "0 1 2 3 4 5"},
		{Axis{Min: 0, Max: .5}, nil, "0 0.1 0.2 0.3 0.4 0.5"},
		{Axis{Log: true, Min: 8, Max: 1e6}, nil, "10 100 1000 10⁴ 10⁵ 10⁶"},
		{Axis{Log: true, Min: 1, Max: 20}, nil, "1 2 5 10 20"},
		{Axis{Log: true, Min: 1e-4, Max: 1, Format: Percent}, nil, "0.01 % 0.1 % 1 % 10 % 100 %"},
		{Axis{Min: -1, Max: 1}, nil, "-1 -0.5 0 0.5 1"},
		{Axis{Min: 0, Max: 40000}, nil, "0 10,000 20,000 30,000 40,000"},
	} {
		s := fit(c.axis, c.values)
		var got []string
		for _, v := range s.ticks() {
			got = append(got, s.label(v))
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%+v: ticks at %s, want %s", c.axis, g, c.want)
		}
	}
}

// Labels in the margin keep their order, do not cover each other, and stay
// where they want to be if there is room.
func TestSpread(t *testing.T) {
	for _, wishes := range [][]float64{
		{50}, {10, 200}, {100, 100, 100}, {0, 0, 0, 0}, {400, 400}, {100, 105, 300, 302, 90},
	} {
		var tags []*tag
		for _, y := range wishes {
			tags = append(tags, &tag{text: "x", y: y})
		}
		spread(tags, 0, 400)
		for i, a := range tags {
			if a.y < a.height()/2-1e-9 || a.y > 400-a.height()/2+1e-9 {
				t.Errorf("%v: a label at %v", wishes, a.y)
			}
			if i > 0 && a.y-tags[i-1].y < a.height()-1e-9 {
				t.Errorf("%v: labels at %v and %v", wishes, tags[i-1].y, a.y)
			}
		}
	}
	far := []*tag{{text: "x", y: 100}, {text: "x", y: 300}}
	if spread(far, 0, 400); far[0].y != 100 || far[1].y != 300 {
		t.Errorf("labels with room moved to %v and %v", far[0].y, far[1].y)
	}
}

func sampleTable() *Table {
	t := &Table{Name: "sample", Title: "Numbers", Columns: []Column{{Name: "who"}, {Name: "n", Head: "nodes"}, {Name: "hops", Digits: 2}}}
	t.Add("a, b|c", 1000, 2.345)
	t.Add("d", 10, nil)
	return t
}

func TestTable(t *testing.T) {
	got, err := sampleTable().CSV()
	if want := "who,n,hops\n\"a, b|c\",1000,2.35\nd,10,\n"; err != nil || string(got) != want {
		t.Errorf("CSV is %q, %v", got, err)
	}
	if got := sampleTable().Markdown(); !strings.Contains(got, `| a, b\|c | 1000 | 2.35 |`) || !strings.Contains(got, "|---|--:|--:|") {
		t.Errorf("Markdown is\n%s", got)
	}
	var text bytes.Buffer
	if err := sampleTable().Print(&text); err != nil || !strings.Contains(text.String(), "nodes") {
		t.Errorf("text is %q, %v", &text, err)
	}
	bad := sampleTable()
	bad.Add("too", "few")
	if _, err := bad.CSV(); err == nil {
		t.Error("a row without all of its cells was written")
	}
}

func TestBounds(t *testing.T) {
	for _, c := range []struct {
		b    Bound
		want bool
	}{
		{Bound{Ours: 1.7, Limit: 1.7}, true},
		{Bound{Ours: 1.71, Limit: 1.7}, false},
		{Bound{Ours: .985, Limit: .985, AtLeast: true}, true},
		{Bound{Ours: .98, Limit: .985, AtLeast: true}, false},
		{Bound{Ours: math.NaN(), Limit: 1}, false},
	} {
		if c.b.Holds() != c.want {
			t.Errorf("%+v holds: %v", c.b, !c.want)
		}
	}
}

// probe is a program that measures nothing.
type probe struct {
	n   int
	ran bool
}

func (*probe) About() About {
	return About{Name: "probe", Summary: "probe counts.", Examples: [][2]string{{"probe --n 3", "counts to three"}}}
}
func (p *probe) Flags(fs *flag.FlagSet) { fs.IntVar(&p.n, "n", 1, "`number`") }
func (p *probe) Validate() error {
	if p.n < 1 {
		return io.ErrShortBuffer
	}
	return nil
}

func (p *probe) Run(ctx context.Context, _ io.Writer) (*Report, error) {
	p.ran = true
	return &Report{
		Title: "Probe", Tables: []*Table{sampleTable()}, Charts: []*Chart{sampleChart()},
		Bounds: []Bound{{What: "count", Ours: float64(p.n), Limit: 2}},
	}, ctx.Err()
}

func TestProgram(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "er")
	var out, errs bytes.Buffer
	if code := Run(t.Context(), &probe{}, []string{"--n", "3", "--json", "--out", dir}, &out, &errs); code != exitDone {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got["sample"] == nil || got["bounds"] == nil {
		t.Errorf("JSON is %s, %v", &out, err)
	}
	files, err := os.ReadDir(dir)
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if want := []string{"sample.csv", "sample.png", "sample.svg"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("files are %v, %v", names, err)
	}
	out.Reset()
	if code := Run(t.Context(), &probe{}, []string{"--n", "3"}, &out, &errs); code != exitDone || !strings.Contains(out.String(), "MISSED") {
		t.Errorf("exit code %d, %s", code, &out)
	}
}

func TestProgramUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"--help"}, exitDone},
		{[]string{"--n", "0"}, exitUsage},
		{[]string{"--n", "x"}, exitUsage},
		{[]string{"--what"}, exitUsage},
		{[]string{"extra"}, exitUsage},
		{[]string{"--timeout", "0s"}, exitUsage},
	} {
		p := &probe{}
		var out, errs bytes.Buffer
		if code := Run(t.Context(), p, c.args, &out, &errs); code != c.want || p.ran || out.Len() > 0 {
			t.Errorf("%v: exit code %d, ran %v, printed %q", c.args, code, p.ran, &out)
		}
		if c.want == exitDone && !strings.Contains(errs.String(), "go run ./scripts/probe --n 3") {
			t.Errorf("help shows no example: %s", &errs)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := Run(ctx, &probe{}, nil, io.Discard, io.Discard); code != exitInterrupted {
		t.Errorf("interrupted: exit code %d", code)
	}
}

// pointsOf makes points of two lists of the same length.
func pointsOf(x, y []float64) []Point {
	out := make([]Point, len(x))
	for i := range x {
		out[i] = Point{X: x[i], Y: y[i]}
	}
	return out
}
