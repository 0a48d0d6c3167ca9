package figure

import (
	"image/color"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// Color is one of the palette's colours. The palette is that of Okabe and Ito
// (2008), which people with any common colour blindness can tell apart; its
// yellow is left out, for it is too faint for lines and letters on white.
type Color int

// The colours, and what they stand for where a figure shows both overlays.
const (
	Ink    Color = iota // text; the papers' values
	Blue                // Chord with large tables
	Sky                 // Chord with small tables
	Orange              // Kademlia
	Green               // a third party
	Purple              // a fourth
	Amber               // a fifth
	Grey                // theory
)

var palette = map[Color]color.NRGBA{
	Ink:    {R: 0x22, G: 0x26, B: 0x2b, A: 0xff},
	Blue:   {R: 0x00, G: 0x72, B: 0xb2, A: 0xff},
	Sky:    {R: 0x35, G: 0x9f, B: 0xd9, A: 0xff},
	Orange: {R: 0xd5, G: 0x5e, B: 0x00, A: 0xff},
	Green:  {R: 0x00, G: 0x8f, B: 0x68, A: 0xff},
	Purple: {R: 0xb8, G: 0x5c, B: 0x92, A: 0xff},
	Amber:  {R: 0xc7, G: 0x84, B: 0x00, A: 0xff},
	Grey:   {R: 0x6f, G: 0x76, B: 0x7e, A: 0xff},
}

func (c Color) rgba() color.NRGBA { return palette[c] }

// faint is the colour for areas behind a line.
func (c Color) faint() color.NRGBA {
	f := palette[c]
	f.A = 0x24
	return f
}

var (
	paperWhite = color.NRGBA{R: 0xff, G: 0xff, B: 0xff, A: 0xff}
	gridGrey   = color.NRGBA{R: 0xe6, G: 0xe8, B: 0xeb, A: 0xff}
	axisGrey   = color.NRGBA{R: 0x9a, G: 0xa1, B: 0xa9, A: 0xff}
	quietGrey  = color.NRGBA{R: 0x5c, G: 0x63, B: 0x6b, A: 0xff}
)

// Sizes of type and strokes, in points: 72 to the inch, so that a chart of 720
// points is 960 pixels wide on a page.
const (
	titleSize    = 16
	subtitleSize = 11
	labelSize    = 10.5
	tickSize     = 10
	captionSize  = 8.5

	lineWidth   = 1.9
	theoryWidth = 1.1
	paperWidth  = 1.3
	gridWidth   = 0.7
	dotRadius   = 3.0
	markRadius  = 4.2
)

var theoryDash = []vg.Length{4, 3}

// handler sets plain text in the Liberation fonts, which are compiled in, so
// that a chart looks the same on every machine.
var handler = text.Plain{Fonts: font.NewCache(liberation.Collection())}

// textStyle is sans-serif text of the given size and colour.
func textStyle(size vg.Length, c color.Color, bold bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return text.Style{Color: c, Font: f, Handler: handler}
}
