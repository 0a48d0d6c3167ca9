package swap

import "errors"

// Errors that a [Source] returns and the server answers with a refusal.
var (
	// ErrNotHave means that the block is not here.
	ErrNotHave = errors.New("swap: block is not here")
	// ErrChanged means that the file that held the block has changed since it was shared.
	ErrChanged = errors.New("swap: shared file has changed")
)

// Errors of a [Session].
var (
	// ErrClosed means that the session was closed.
	ErrClosed = errors.New("swap: session is closed")
	// ErrNoProviders means that nobody who could deliver was left for as long as
	// SessionConfig.NoProviders allows.
	ErrNoProviders = errors.New("swap: no provider left")
)
