package figure

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// panel is a Panel with its place on the canvas.
type panel struct {
	*Panel
	dst   draw.Canvas
	plot  vg.Rectangle // where the data is
	x, y  scale
	title vg.Length // upper end
}

func newPanel(p *Panel, dst draw.Canvas, titled bool) *panel {
	var xs, ys []float64
	for _, s := range p.Series {
		for _, v := range s.Points {
			xs, ys = append(xs, v.X), append(ys, v.Y)
			if v.Lo != v.Hi {
				ys = append(ys, v.Lo, v.Hi)
			}
		}
	}
	q := &panel{Panel: p, dst: dst, x: fit(p.X, xs), y: fit(p.Y, ys), title: dst.Max.Y}
	ticks := textStyle(tickSize, quietGrey, false)
	left := vg.Length(0)
	for _, t := range q.y.ticks() {
		left = max(left, ticks.Width(q.y.label(t)))
	}
	q.plot = dst.Rectangle
	q.plot.Min.X += left + 8
	q.plot.Min.Y += 2*tickSize*lineSpace + 9
	q.plot.Max.X -= q.labelRoom()
	if titled {
		q.plot.Max.Y -= labelSize*lineSpace + 4
	}
	q.plot.Max.Y -= labelSize*lineSpace + 7 // the y axis's name
	return q
}

func (p *panel) draw() {
	p.axes()
	for _, s := range p.Series { // areas and formulas first: they are the ground
		if s.Kind == Area {
			p.area(s)
		}
	}
	for _, kind := range []Kind{Limit, Theory, Area, Curve, Measured, Paper} {
		for _, s := range p.Series {
			if s.Kind == kind {
				p.series(s)
			}
		}
	}
	p.labels()
	p.notes()
}

// at is a data point's place on the canvas.
func (p *panel) at(x, y float64) vg.Point {
	size := p.plot.Size()
	return vg.Point{
		X: p.plot.Min.X + vg.Length(p.x.place(x))*size.X,
		Y: p.plot.Min.Y + vg.Length(p.y.place(y))*size.Y,
	}
}

// axes draws the grid, the ticks' labels and the names of the axes. The y
// axis's name stands above it, where it can be read without turning one's head.
func (p *panel) axes() {
	faint := gridGrey
	faint.A = 0x90
	for _, t := range p.x.minor() {
		p.vertical(t, faint, gridWidth*0.7)
	}
	for _, t := range p.y.minor() {
		p.horizontal(t, faint, gridWidth*0.7)
	}
	style := textStyle(tickSize, quietGrey, false)
	style.YAlign = text.YCenter
	style.XAlign = text.XRight
	for _, t := range p.y.ticks() {
		p.horizontal(t, gridGrey, gridWidth)
		at := vg.Point{X: p.plot.Min.X - 7, Y: p.at(p.x.min, t).Y + tickSize*0.06}
		p.dst.FillText(style, at, p.y.label(t))
	}
	style.XAlign, style.YAlign = text.XCenter, text.YTop
	for _, t := range p.x.ticks() {
		p.vertical(t, gridGrey, gridWidth)
		foot := vg.Point{X: p.at(t, p.y.min).X, Y: p.plot.Min.Y}
		strokeLine(p.dst, []vg.Point{foot, {X: foot.X, Y: foot.Y - 4}}, axisGrey, gridWidth, nil)
		p.dst.FillText(style, vg.Point{X: foot.X, Y: foot.Y - 6}, p.x.label(t))
	}
	base := []vg.Point{p.plot.Min, {X: p.plot.Max.X, Y: p.plot.Min.Y}}
	strokeLine(p.dst, base, axisGrey, gridWidth*1.4, nil)
	name := textStyle(tickSize, Ink.rgba(), false)
	name.XAlign, name.YAlign = text.XCenter, text.YTop
	middle := (p.plot.Min.X + p.plot.Max.X) / 2
	p.dst.FillText(name, vg.Point{X: middle, Y: p.plot.Min.Y - 8 - tickSize*lineSpace}, p.X.Label)
	y := p.title
	if p.Title != "" {
		y = write(p.dst, textStyle(labelSize+0.5, Ink.rgba(), true), p.dst.Min.X, y, p.Title) - 4
	}
	write(p.dst, textStyle(tickSize, Ink.rgba(), false), p.dst.Min.X, y, p.Y.Label)
}

func (p *panel) vertical(x float64, c color.Color, w vg.Length) {
	at := p.at(x, p.y.min).X
	strokeLine(p.dst, []vg.Point{{X: at, Y: p.plot.Min.Y}, {X: at, Y: p.plot.Max.Y}}, c, w, nil)
}

func (p *panel) horizontal(y float64, c color.Color, w vg.Length) {
	at := p.at(p.x.min, y).Y
	strokeLine(p.dst, []vg.Point{{X: p.plot.Min.X, Y: at}, {X: p.plot.Max.X, Y: at}}, c, w, nil)
}

// inside keeps a line within the panel: it cuts what is above or below.
func (p *panel) inside(points []vg.Point) [][]vg.Point {
	clip := p.dst
	clip.Rectangle = p.plot
	grow := vg.Length(math.Max(1, dotRadius))
	clip.Min.X, clip.Min.Y = clip.Min.X-grow, clip.Min.Y-grow
	clip.Max.X, clip.Max.Y = clip.Max.X+grow, clip.Max.Y+grow
	return clip.ClipLinesXY(points)
}
