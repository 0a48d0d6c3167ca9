package figure

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// series draws the points of one series, without its label.
func (p *panel) series(s Series) {
	points := make([]vg.Point, len(s.Points))
	for i, v := range s.Points {
		points[i] = p.at(v.X, v.Y)
	}
	hue := s.Color.rgba()
	switch s.Kind {
	case Theory:
		p.line(points, hue, theoryWidth, theoryDash)
	case Curve, Area:
		p.line(points, hue, lineWidth, nil)
	case Measured:
		p.line(points, hue, lineWidth, nil)
		for i, at := range points {
			p.errorBar(s.Points[i], hue)
			dot(p.dst, at, hue)
		}
	case Paper:
		for _, at := range points {
			diamond(p.dst, at, hue)
		}
	case Limit:
		for _, at := range points {
			limitMark(p.dst, at, hue)
		}
	}
}

func (p *panel) line(points []vg.Point, hue color.Color, w vg.Length, dash []vg.Length) {
	for _, part := range p.inside(points) {
		strokeLine(p.dst, part, hue, w, dash)
	}
}

// area fills what is between a line and the foot of the panel.
func (p *panel) area(s Series) {
	outline := []vg.Point{{X: p.at(s.Points[0].X, p.y.min).X, Y: p.plot.Min.Y}}
	for _, v := range s.Points {
		outline = append(outline, p.at(v.X, v.Y))
	}
	outline = append(outline, vg.Point{X: outline[len(outline)-1].X, Y: p.plot.Min.Y})
	p.dst.FillPolygon(s.Color.faint(), outline)
}

func (p *panel) errorBar(v Point, hue color.Color) {
	if v.Lo == v.Hi {
		return
	}
	strokeLine(p.dst, []vg.Point{p.at(v.X, v.Lo), p.at(v.X, v.Hi)}, hue, gridWidth*1.3, nil)
}

func strokeLine(dst draw.Canvas, points []vg.Point, hue color.Color, w vg.Length, dash []vg.Length) {
	if len(points) < 2 {
		return
	}
	dst.StrokeLines(draw.LineStyle{Color: hue, Width: w, Dashes: dash}, points)
}

// dot is a filled circle with a white rim, so that dots on each other show.
func dot(dst draw.Canvas, at vg.Point, hue color.Color) {
	for _, ring := range []struct {
		r vg.Length
		c color.Color
	}{{dotRadius + 1, paperWhite}, {dotRadius, hue}} {
		var path vg.Path
		path.Move(vg.Point{X: at.X + ring.r, Y: at.Y})
		path.Arc(at, ring.r, 0, 2*math.Pi)
		path.Close()
		dst.SetColor(ring.c)
		dst.Fill(path)
	}
}

// diamond is the open marker of published values. Its inside stays clear: one
// of our dots may sit in it.
func diamond(dst draw.Canvas, at vg.Point, hue color.Color) {
	const r = markRadius + 0.9
	strokeShape(dst, hue, paperWidth,
		vg.Point{X: at.X, Y: at.Y + r}, vg.Point{X: at.X + r, Y: at.Y},
		vg.Point{X: at.X, Y: at.Y - r}, vg.Point{X: at.X - r, Y: at.Y})
}

// limitMark is a short bar with a foot, the ceiling that a dot stays under.
func limitMark(dst draw.Canvas, at vg.Point, hue color.Color) {
	strokeLine(dst, []vg.Point{{X: at.X - 8, Y: at.Y}, {X: at.X + 8, Y: at.Y}}, hue, lineWidth, nil)
	strokeLine(dst, []vg.Point{{X: at.X - 8, Y: at.Y - 3}, {X: at.X - 8, Y: at.Y}}, hue, gridWidth*1.4, nil)
	strokeLine(dst, []vg.Point{{X: at.X + 8, Y: at.Y - 3}, {X: at.X + 8, Y: at.Y}}, hue, gridWidth*1.4, nil)
}

func strokeShape(dst draw.Canvas, hue color.Color, w vg.Length, corners ...vg.Point) {
	var path vg.Path
	path.Move(corners[0])
	for _, c := range corners[1:] {
		path.Line(c)
	}
	path.Close()
	dst.SetLineStyle(draw.LineStyle{Color: hue, Width: w})
	dst.Stroke(path)
}
