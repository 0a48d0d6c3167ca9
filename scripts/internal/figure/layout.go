package figure

import (
	"cmp"
	"image/color"
	"strings"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Margins of a chart, in points.
const (
	edge      = 22 // around everything
	panelGap  = 26 // between panels
	headGap   = 12 // between the head and the panels
	lineSpace = 1.32
)

func (c *Chart) size() (w, h vg.Length) {
	return vg.Length(cmp.Or(c.Width, 720)), vg.Length(cmp.Or(c.Height, 450))
}

// draw puts the whole chart on a canvas of its size.
func (c *Chart) draw(dst draw.Canvas) {
	fill(dst, dst.Rectangle, paperWhite)
	inner := draw.Crop(dst, edge, -edge, edge-4, -edge)
	top := c.head(inner)
	bottom := c.foot(inner)
	body := inner
	body.Max.Y, body.Min.Y = top-headGap, bottom+8
	gaps := vg.Length(len(c.Panels)-1) * panelGap
	width := (body.Max.X - body.Min.X - gaps) / vg.Length(len(c.Panels))
	for i := range c.Panels {
		part := body
		part.Min.X += vg.Length(i) * (width + panelGap)
		part.Max.X = part.Min.X + width
		newPanel(&c.Panels[i], part, len(c.Panels) > 1).draw()
	}
}

// head writes title, subtitle and the key of kinds, and returns where it ends.
func (c *Chart) head(dst draw.Canvas) vg.Length {
	y := dst.Max.Y
	y = write(dst, textStyle(titleSize, Ink.rgba(), true), dst.Min.X, y, c.Title)
	if c.Subtitle != "" {
		y = write(dst, textStyle(subtitleSize, quietGrey, false), dst.Min.X, y-5, c.Subtitle)
	}
	return c.key(dst, y-9)
}

// foot writes the caption and returns where it begins.
func (c *Chart) foot(dst draw.Canvas) vg.Length {
	if c.Caption == "" {
		return dst.Min.Y
	}
	style := textStyle(captionSize, quietGrey, false)
	lines := strings.Count(c.Caption, "\n") + 1
	height := vg.Length(lines) * captionSize * lineSpace
	write(dst, style, dst.Min.X, dst.Min.Y+height, c.Caption)
	return dst.Min.Y + height
}

// kindNames is what the key says of each kind that the chart uses.
var kindNames = []struct {
	kind Kind
	name string
}{{Measured, "ringswap"}, {Paper, "published"}, {Theory, "formula"}, {Limit, "bound"}}

// key explains the kinds of series in one line, if there is more than one.
func (c *Chart) key(dst draw.Canvas, y vg.Length) vg.Length {
	used := make(map[Kind]bool)
	for _, p := range c.Panels {
		for _, s := range p.Series {
			used[s.Kind] = true
		}
	}
	if used[Curve] || used[Area] {
		used[Measured] = true
	}
	if len(used) < 2 || !used[Paper] && !used[Theory] && !used[Limit] {
		return y + 9
	}
	style := textStyle(tickSize, quietGrey, false)
	x := dst.Min.X
	middle := y - tickSize*0.45
	for _, k := range kindNames {
		if !used[k.kind] {
			continue
		}
		wide := vg.Length(22)
		if k.kind == Paper {
			wide = 10
		}
		ends := []vg.Point{{X: x, Y: middle}, {X: x + wide, Y: middle}}
		hue := quietGrey
		switch k.kind {
		case Measured:
			strokeLine(dst, ends, hue, lineWidth, nil)
			dot(dst, vg.Point{X: x + wide/2, Y: middle}, hue)
		case Paper:
			diamond(dst, vg.Point{X: x + wide/2, Y: middle}, hue)
		case Theory:
			strokeLine(dst, ends, hue, theoryWidth, theoryDash)
		case Limit:
			limitMark(dst, vg.Point{X: x + wide/2, Y: middle}, hue)
		}
		write(dst, style, x+wide+6, y, k.name)
		x += wide + 6 + style.Width(k.name) + 20
	}
	return y - tickSize*lineSpace
}

// write sets lines of text with their upper left corner at x, y, and returns
// the lower end.
func write(dst draw.Canvas, style text.Style, x, y vg.Length, lines string) vg.Length {
	size := style.Font.Size
	for line := range strings.SplitSeq(lines, "\n") {
		// The first baseline is below y by the height of a capital letter.
		dst.FillText(style, vg.Point{X: x, Y: y - size*0.74}, line)
		y -= size * lineSpace
	}
	return y
}

func fill(dst draw.Canvas, r vg.Rectangle, c color.Color) {
	dst.SetColor(c)
	dst.Fill(r.Path())
}
