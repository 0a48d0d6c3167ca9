package node

import (
	"context"
	"errors"
	"fmt"
)

// Kind says which way something failed; the command line's exit codes follow it.
type Kind string

// The kinds of failure.
const (
	KindFailed      Kind = "failed"
	KindUsage       Kind = "usage"
	KindNotFound    Kind = "not_found"
	KindTimeout     Kind = "timeout"
	KindDamaged     Kind = "damaged"
	KindInterrupted Kind = "interrupted"
)

// ErrRepoLocked is wrapped by Open's error when another process has the repo.
var ErrRepoLocked = errors.New("the repo is in use by another process")

// Error is a failure that a user is told about: what happened, why, and what to
// try next. It is the only error that crosses the control API.
type Error struct {
	Kind Kind   `json:"kind"`
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
	Try  string `json:"try,omitempty"` // a command or an action
	Err  error  `json:"-"`             // the cause, when it happened in this process
}

func (e *Error) Error() string {
	if e.Why == "" {
		return e.What
	}
	return e.What + ": " + e.Why
}

func (e *Error) Unwrap() error { return e.Err }

// failure wraps err for the user. A context that ended makes it an
// interruption, or a time-out, whatever kind was given.
func failure(kind Kind, err error, try, what string, args ...any) error {
	e := &Error{Kind: kind, What: fmt.Sprintf(what, args...), Try: try, Err: err}
	if err != nil {
		e.Why = err.Error()
	}
	switch {
	case errors.Is(err, context.Canceled):
		e.Kind = KindInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		e.Kind = KindTimeout
	}
	return e
}

// AsError returns err as an *Error: as it is if it is one, else as a plain
// failure with no advice. nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	errors.As(failure(KindFailed, nil, "", "%s", err), &e)
	switch {
	case errors.Is(err, context.Canceled):
		e.Kind = KindInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		e.Kind = KindTimeout
	}
	return e
}
