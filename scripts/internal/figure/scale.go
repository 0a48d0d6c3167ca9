package figure

import (
	"math"
	"strconv"
	"strings"
)

// scale is an axis with its range settled.
type scale struct {
	axis     Axis
	min, max float64
}

// fit settles the range of an axis over the values that it has to show.
func fit(a Axis, values []float64) scale {
	if a.Min != 0 || a.Max != 0 {
		return scale{a, a.Min, a.Max}
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		lo, hi = math.Min(lo, v), math.Max(hi, v)
	}
	switch {
	case a.Log:
		if lo == hi {
			lo, hi = lo/2, hi*2
		}
		room := math.Pow(hi/lo, 0.03)
		return scale{a, lo / room, hi * room}
	case lo >= 0:
		if hi == 0 {
			hi = 1
		}
		return scale{a, 0, hi * 1.06}
	case lo == hi:
		return scale{a, lo - 1, hi + 1}
	}
	room := (hi - lo) * 0.05
	return scale{a, lo - room, hi + room}
}

// place is where v stands between the ends of the axis: 0 to 1.
func (s scale) place(v float64) float64 {
	if s.axis.Log {
		return math.Log(v/s.min) / math.Log(s.max/s.min)
	}
	return (v - s.min) / (s.max - s.min)
}

// ticks are the labelled places of the axis, within its range.
func (s scale) ticks() []float64 {
	candidates := s.axis.Ticks
	if candidates == nil {
		if s.axis.Log {
			candidates = logTicks(s.min, s.max)
		} else {
			candidates = linearTicks(s.min, s.max)
		}
	}
	var out []float64
	for _, t := range candidates {
		if p := s.place(t); p > -1e-9 && p < 1+1e-9 {
			out = append(out, t)
		}
	}
	return out
}

// minor are the unlabelled grid lines of a logarithmic axis between decades.
func (s scale) minor() []float64 {
	if !s.axis.Log || s.axis.Ticks != nil || math.Log10(s.max/s.min) > 4 {
		return nil
	}
	var out []float64
	for e := math.Floor(math.Log10(s.min)); e <= math.Log10(s.max); e++ {
		for m := 2.0; m < 10; m++ {
			if v := m * math.Pow(10, e); v >= s.min && v <= s.max {
				out = append(out, v)
			}
		}
	}
	return out
}

// linearTicks are multiples of 1, 2 or 5 times a power of ten, four to eight.
func linearTicks(lo, hi float64) []float64 {
	raw := (hi - lo) / 5
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := unit
	for _, m := range []float64{1, 2, 5, 10} {
		if step = m * unit; step >= raw*0.999 {
			break
		}
	}
	var out []float64
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+step*1e-9; i++ {
		out = append(out, i*step+0) // not minus zero
	}
	return out
}

// logTicks are the powers of ten, and below two decades also 2 and 5 times them.
func logTicks(lo, hi float64) []float64 {
	factors := []float64{1}
	if math.Log10(hi/lo) < 2 {
		factors = []float64{1, 2, 5}
	}
	var out []float64
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for _, m := range factors {
			out = append(out, m*math.Pow(10, e))
		}
	}
	return out
}

// label is what stands at a tick.
func (s scale) label(v float64) string {
	switch {
	case s.axis.Format != nil:
		return s.axis.Format(v)
	case s.axis.Log:
		return powerLabel(v)
	}
	return Number(v)
}

// Number writes v as short as its value allows, without an exponent.
func Number(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if len(text) > 7 { // a binary fraction's tail
		text = strconv.FormatFloat(v, 'f', 4, 64)
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if whole, _, _ := strings.Cut(text, "."); len(strings.TrimPrefix(whole, "-")) > 4 {
		return thousands(text)
	}
	return text
}

// thousands puts a comma before every third digit of a number's whole part.
func thousands(text string) string {
	whole, rest, _ := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	return sign + whole
}

// Percent writes a share as per cent, for an axis.
func Percent(v float64) string { return Number(math.Round(v*1e6)/1e4) + " %" }

var raised = strings.NewReplacer(
	"0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹", "-", "⁻",
)

// powerLabel writes powers of ten from 10⁴ and below 10⁻² as such, and other
// numbers plainly.
func powerLabel(v float64) string {
	e := math.Round(math.Log10(v))
	if math.Abs(v/math.Pow(10, e)-1) < 1e-9 && (e >= 4 || e <= -3) {
		return Power(10, int(e))
	}
	return Number(v)
}

// Power writes base to the e-th.
func Power(base, e int) string {
	return strconv.Itoa(base) + raised.Replace(strconv.Itoa(e))
}
