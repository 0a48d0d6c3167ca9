package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"ringswap/internal/node"
)

// Exit codes, as documented for users.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitTimeout     = 4
	exitDamaged     = 5
	exitInterrupted = 130
)

var exitCodes = map[node.Kind]int{
	node.KindFailed:      exitFailed,
	node.KindUsage:       exitUsage,
	node.KindNotFound:    exitNotFound,
	node.KindTimeout:     exitTimeout,
	node.KindDamaged:     exitDamaged,
	node.KindInterrupted: exitInterrupted,
}

// exitCode is the code that tells a shell how a command ended.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if code, ok := exitCodes[node.AsError(err).Kind]; ok {
		return code
	}
	return exitFailed
}

// asError is what a command tells the user of err.
func asError(err error) *node.Error {
	var told *node.Error
	if !errors.As(err, &told) && errors.Is(err, context.Canceled) {
		return &node.Error{Kind: node.KindInterrupted, What: "interrupted", Err: err}
	}
	return node.AsError(err)
}

// usageError is a command line that cannot be carried out.
func usageError(try, format string, args ...any) error {
	return &node.Error{Kind: node.KindUsage, What: fmt.Sprintf(format, args...), Try: try}
}

// report tells the user about err: on stderr in words, and for a program that
// reads stdout as an object.
func (o *output) report(err error) {
	if err == nil {
		return
	}
	e := node.AsError(err)
	printError(o.stderr, e)
	if o.json {
		_ = o.object(struct {
			Error *node.Error `json:"error"`
		}{e}) // the exit code says it too
	}
}

// printError writes what happened, why, and what to try.
func printError(w io.Writer, e *node.Error) {
	var b strings.Builder
	fmt.Fprintf(&b, "error: %s\n", e.What)
	if e.Why != "" {
		fmt.Fprintf(&b, "  why: %s\n", strings.ReplaceAll(e.Why, "\n", "\n       "))
	}
	if e.Try != "" {
		fmt.Fprintf(&b, "  try: %s\n", e.Try)
	}
	_, _ = io.WriteString(w, b.String()) // there is no other place to complain
}
