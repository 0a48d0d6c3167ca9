package transfer

import (
	"errors"
	"fmt"
)

var (
	// ErrExists is returned when something else is where the result belongs, and
	// Force was not given.
	ErrExists = errors.New("exists and is something else")
	// ErrInUse is returned when another get has the same target, in this process
	// or another.
	ErrInUse = errors.New("another get is writing it")
	// ErrUnsafe is returned for content that cannot be kept safely on this
	// system: names that are none here, two names that are the same here,
	// symbolic links that leave the content.
	ErrUnsafe = errors.New("not safe to keep here")
	// ErrDiskFull is returned when there is no room for a chunk. What was written
	// before is kept.
	ErrDiskFull = errors.New("the disk is full")
	// ErrNotFile is returned where a file is needed and something else was found.
	ErrNotFile = errors.New("not a file")
	// ErrNoEntry is returned for a path below a root where nothing is.
	ErrNoEntry = errors.New("there is nothing of that name")
	// ErrClosed is returned by a Target that was closed or finished.
	ErrClosed = errors.New("the target is closed")
)

// diskError makes it plain when the reason of a failed write is a full disk.
func diskError(err error) error {
	if err != nil && isDiskFull(err) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}
