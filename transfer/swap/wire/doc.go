// Package wire is the swap protocol's format, version 1, as docs/wire.md
// specifies it: one file per message, each with a strict parser and an Append
// that writes the only encoding the parser accepts.
//
// A stream is a sequence of frames; start reading at [Reader] and [AppendFrame].
// Parsers take a frame's body, never more, and refuse trailing bytes, values out
// of bounds and varints that are not minimal. Nothing here allocates in
// proportion to a number that a peer merely claims.
package wire
