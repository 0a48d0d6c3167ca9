package figure

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// Distances of labels, in points.
const (
	marginGap = 12 // from the panel's edge to a label in the margin
	pointGap  = 7  // from a point to a label beside it
	labelSkip = 3  // between two labels in the margin
)

func labelHeight(s string) vg.Length {
	return vg.Length(strings.Count(s, "\n")+1) * labelSize * lineSpace
}

func labelWidth(s string) (w vg.Length) {
	style := textStyle(labelSize, Ink.rgba(), true)
	for line := range strings.SplitSeq(s, "\n") {
		w = max(w, style.Width(line))
	}
	return w
}

// labelRoom is the width that the labels in the margin take.
func (p *panel) labelRoom() vg.Length {
	room := vg.Length(6)
	for _, s := range p.Series {
		if s.Side == Margin && s.Label != "" {
			room = max(room, labelWidth(s.Label)+marginGap)
		}
	}
	return room
}

// labels names every series where its line ends, or where it was asked for.
func (p *panel) labels() {
	var margin []*tag
	for _, s := range p.Series {
		if s.Label == "" || s.Side == Nowhere {
			continue
		}
		v := s.Points[s.at()]
		at := p.at(v.X, v.Y)
		if s.Side == Margin {
			at.Y = min(max(at.Y, p.plot.Min.Y), p.plot.Max.Y)
			margin = append(margin, &tag{text: s.Label, color: s.Color, from: at, y: float64(at.Y), bold: s.Kind != Theory})
			continue
		}
		p.beside(at, s.Side, s.Label, s.Color, s.Kind != Theory)
	}
	spread(margin, float64(p.plot.Min.Y), float64(p.plot.Max.Y)+labelSize)
	for _, t := range margin {
		p.marginLabel(t)
	}
}

// tag is a label in the margin: it wants to stand level with its line's end.
type tag struct {
	text  string
	color Color
	bold  bool
	from  vg.Point
	y     float64 // of its middle
}

func (t *tag) height() float64 { return float64(labelHeight(t.text)) + labelSkip }

// spread moves labels apart until none covers another: each run of labels that
// would touch is centred on the mean of where its members want to be.
func spread(tags []*tag, lo, hi float64) {
	slices.SortStableFunc(tags, func(a, b *tag) int { return cmp.Compare(a.y, b.y) })
	type run struct {
		first, n     int
		want, height float64 // sum of wishes for the run's middle; total height
	}
	middle := func(r run) float64 {
		m := r.want / float64(r.n)
		return math.Min(math.Max(m, lo+r.height/2), hi-r.height/2)
	}
	var runs []run
	for i, t := range tags {
		next := run{first: i, n: 1, want: t.y, height: t.height()}
		for len(runs) > 0 {
			last := runs[len(runs)-1]
			if middle(last)+last.height/2 <= middle(next)-next.height/2 {
				break
			}
			next = run{last.first, last.n + next.n, last.want + next.want, last.height + next.height}
			runs = runs[:len(runs)-1]
		}
		runs = append(runs, next)
	}
	for _, r := range runs {
		y := middle(r) - r.height/2
		for _, t := range tags[r.first : r.first+r.n] {
			t.y = y + t.height()/2
			y += t.height()
		}
	}
}

// marginLabel writes a label in the margin, with a thin line to where its
// series ends if that is not beside it.
func (p *panel) marginLabel(t *tag) {
	style := textStyle(labelSize, t.color.rgba(), t.bold)
	x := p.plot.Max.X + marginGap
	y := vg.Length(t.y)
	if reach := x - t.from.X; reach > marginGap+10 || math.Abs(float64(y-t.from.Y)) > 5 {
		line := []vg.Point{{X: t.from.X + dotRadius + 2, Y: t.from.Y}, {X: x - 3, Y: y}}
		strokeLine(p.dst, line, axisGrey, gridWidth, nil)
	}
	write(p.dst, style, x, y+labelHeight(t.text)/2-labelSize*(lineSpace-1)/2, t.text)
}

// beside writes a label next to a point, on a ground that keeps lines away.
func (p *panel) beside(at vg.Point, side Side, label string, hue Color, bold bool) {
	style := textStyle(labelSize, hue.rgba(), bold)
	w, h := labelWidth(label), labelHeight(label)
	upper := vg.Point{X: at.X - w/2, Y: at.Y + h/2}
	align := text.XCenter
	switch side {
	case Above:
		upper.Y = at.Y + pointGap + h - 2
	case Below:
		upper.Y = at.Y - pointGap
	case Left:
		upper.X, align = at.X-pointGap-w, text.XRight
	default:
		upper.X, align = at.X+pointGap, text.XLeft
	}
	ground := paperWhite
	ground.A = 0xc8
	fill(p.dst, vg.Rectangle{
		Min: vg.Point{X: upper.X - 1, Y: upper.Y - h + 2}, Max: vg.Point{X: upper.X + w + 1, Y: upper.Y + 1},
	}, ground)
	y := upper.Y - labelSize*(lineSpace-1)/2
	for line := range strings.SplitSeq(label, "\n") {
		x := upper.X
		switch align {
		case text.XCenter:
			x += (w - style.Width(line)) / 2
		case text.XRight:
			x += w - style.Width(line)
		}
		write(p.dst, style, x, y, line)
		y -= labelSize * lineSpace
	}
}

func (p *panel) notes() {
	for _, n := range p.Notes {
		p.beside(p.at(n.X, n.Y), n.Side, n.Text, n.Color, n.Bold)
	}
}
