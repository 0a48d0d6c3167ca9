package figure

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Chart is one picture.
type Chart struct {
	// Name is the name of its files, without an extension.
	Name string
	// Title says what the picture shows, Subtitle in which units or setting.
	Title, Subtitle string
	// Caption is the small line below: nodes, lookups, seed.
	Caption string
	// Panels stand side by side. At least one.
	Panels []Panel
	// Width and Height are in points (1/72 inch). 0 means 720 and 450.
	Width, Height float64
}

// Panel is one pair of axes and what is drawn between them.
type Panel struct {
	// Title is set above the panel where a chart has several.
	Title  string
	X, Y   Axis
	Series []Series
	Notes  []Note
}

// Axis is one axis of a panel. Without a range it has room for the data; a
// linear axis then also has room for zero.
type Axis struct {
	Label    string
	Log      bool
	Min, Max float64
	// Ticks are where the axis is labelled. nil: at round numbers.
	Ticks []float64
	// Format writes a tick's label. nil: a number as short as possible, powers of
	// ten on a logarithmic axis.
	Format func(float64) string
}

// Kind is what a series is, and so how it is drawn: the same everywhere, which
// is why a chart needs no legend but one line that explains the kinds.
type Kind int

// The kinds of series.
const (
	Measured Kind = iota // a line with dots: what our code does
	Paper                // open diamonds: what others published
	Theory               // a thin dashed line: what a formula says
	Curve                // a line without dots, for many points
	Area                 // a line over a faint area, for distributions
	Limit                // short bars: what must not be exceeded
)

// Side is where a label stands, as seen from its point.
type Side int

// The sides.
const (
	Margin Side = iota // right of the panel, level with the last point
	Above
	Below
	Left
	Right
	Nowhere
)

// Series is one set of points with a name.
type Series struct {
	Label  string // may have several lines
	Kind   Kind
	Color  Color
	Points []Point
	// Side is where the label stands; At the index of the point it stands at
	// unless it is in the margin, counted from the end if negative.
	Side Side
	At   int
}

// Point is a value; Lo and Hi are the ends of its error bar, none if equal.
type Point struct{ X, Y, Lo, Hi float64 }

// Sample makes the points of a function at n places between lo and hi, spread
// evenly, or evenly in the logarithm.
func Sample(f func(float64) float64, lo, hi float64, n int, log bool) []Point {
	out := make([]Point, n)
	for i := range out {
		t := float64(i) / float64(n-1)
		x := lo + t*(hi-lo)
		if log {
			x = lo * math.Pow(hi/lo, t)
		}
		out[i] = Point{X: x, Y: f(x)}
	}
	return out
}

// Note is a few words at a place of the panel.
type Note struct {
	X, Y  float64
	Text  string
	Color Color
	Bold  bool
	Side  Side // Margin is taken as Right
}

// Validate reports what keeps the chart from being drawn: nothing in it, or a
// value that has no place on its axis.
func (c *Chart) Validate() error {
	if c.Name == "" || strings.ContainsAny(c.Name, `/\. `) {
		return fmt.Errorf("figure: %q is no name for a chart's files", c.Name)
	}
	if len(c.Panels) == 0 {
		return fmt.Errorf("figure: chart %s has no panel", c.Name)
	}
	if c.Width < 0 || c.Height < 0 {
		return fmt.Errorf("figure: chart %s is %v by %v points", c.Name, c.Width, c.Height)
	}
	for i := range c.Panels {
		if err := c.Panels[i].validate(); err != nil {
			return fmt.Errorf("figure: chart %s, panel %d: %w", c.Name, i+1, err)
		}
	}
	return nil
}

func (p *Panel) validate() error {
	if len(p.Series) == 0 {
		return errors.New("no series")
	}
	for _, s := range p.Series {
		if len(s.Points) == 0 {
			return fmt.Errorf("series %q has no points", s.Label)
		}
		if at := s.at(); at < 0 || at >= len(s.Points) {
			return fmt.Errorf("series %q has its label at point %d of %d", s.Label, s.At, len(s.Points))
		}
		for _, v := range s.Points {
			if !p.X.has(v.X) || !p.Y.has(v.Y) || !p.Y.has(v.Lo) && v.Lo != v.Hi {
				return fmt.Errorf("series %q has a point at (%v, %v)", s.Label, v.X, v.Y)
			}
		}
	}
	return nil
}

// at is the index of the point where the label stands.
func (s *Series) at() int {
	switch {
	case s.Side == Margin:
		return len(s.Points) - 1
	case s.At < 0:
		return len(s.Points) + s.At
	}
	return s.At
}

// has reports whether v has a place on the axis.
func (a Axis) has(v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!a.Log || v > 0)
}
