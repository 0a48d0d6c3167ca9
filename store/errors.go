package store

import (
	"errors"
	"fmt"
)

// What the store's methods return, always wrapped with what they were about.
var (
	// ErrNotFound: no location of the block, or no such root, pin or file.
	ErrNotFound = errors.New("not in the store")
	// ErrChanged: a referenced file is not the one that was registered: another
	// size, time of modification or inode. Its bytes are never served.
	ErrChanged = errors.New("file changed since it was shared")
	// ErrMissing: a referenced file is gone.
	ErrMissing = errors.New("file is missing")
	// ErrCorrupt: bytes that the store owns are not those that it was given.
	ErrCorrupt = errors.New("damaged data")
	// ErrQuota: the owned bytes would exceed [Config.Quota].
	ErrQuota = errors.New("store quota exceeded")
	// ErrDiskFull: the file system has no room. What the operating system said is
	// wrapped too. The store stays usable, and grows again once there is room.
	ErrDiskFull = errors.New("disk full")
	// ErrLocked: another process has the store open.
	ErrLocked = errors.New("store is in use by another process")
	// ErrVersion: the store was written by a newer version of this program.
	ErrVersion = errors.New("store has a newer format")
	// ErrClosed: the method was called after Close.
	ErrClosed = errors.New("store is closed")
	// ErrFailed: an earlier fsync failed, so that nothing more can be promised to
	// last. Reads go on; closing and opening again finds out what has lasted.
	ErrFailed = errors.New("store cannot write since a sync failed")
	// ErrHashMismatch: the bytes given are not those that the CID names.
	ErrHashMismatch = errors.New("bytes do not match the CID")
	// ErrBadCid: the CID is undefined, malformed, or uses a hash function that is
	// not trusted here.
	ErrBadCid = errors.New("unusable CID")
	// ErrTooLarge: the block exceeds MaxBlockBytes.
	ErrTooLarge = errors.New("block too large")
	// ErrIncomplete: a part of a root or pin cannot be read, so that what hangs
	// below it is unknown and collecting garbage could take too much.
	ErrIncomplete = errors.New("share is incomplete")
	// ErrDamagedIndex: the index cannot be read, and could not be replaced.
	ErrDamagedIndex = errors.New("index is damaged")
)

// FileError says what is wrong with a referenced file. It wraps ErrChanged,
// ErrMissing or what the operating system said.
type FileError struct {
	Path   string
	Detail string // what differs, for people; may be empty
	Err    error
}

func (e *FileError) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("store: %s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("store: %s: %v (%s)", e.Path, e.Err, e.Detail)
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// QuotaError is the ErrQuota of one call, with its figures in bytes.
type QuotaError struct {
	Quota, Used, Need int64
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("store: %v: %d of %d bytes are used, %d more are needed", ErrQuota, e.Used, e.Quota, e.Need)
}

// Is makes a QuotaError an ErrQuota.
func (e *QuotaError) Is(target error) bool { return target == ErrQuota }

// LockedError is the ErrLocked of one call.
type LockedError struct {
	Dir   string
	Owner string // who holds it, as far as is known; may be empty
}

func (e *LockedError) Error() string {
	if e.Owner == "" {
		return fmt.Sprintf("store: %v: %s", ErrLocked, e.Dir)
	}
	return fmt.Sprintf("store: %v: %s is held by %s", ErrLocked, e.Dir, e.Owner)
}

// Is makes a LockedError an ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }
