// Package figure is how ringswap's measuring programs show what they found: one
// look for every plot, one way to write tables, and the frame of a program.
//
// A program fills in a [Report]: charts, tables, bounds and a few sentences.
// [Report.Write] turns it into SVG, PNG and CSV files, [Report.Print] into text
// for people, [Report.Markdown] into a section of a page. The bytes written
// depend on the report alone, so that measuring the same again leaves no diff.
//
// Start reading at [Chart] for plots, at [Table] for numbers, and at [Main] for
// what a program consists of. Plots are drawn with gonum's canvases directly:
//
//   - palette.go: colours, type sizes, line widths
//   - scale.go: from numbers to places, and which ticks an axis has
//   - layout.go, panel.go, series.go, labels.go: the drawing, from the outside in
//   - encode.go: the files
package figure
