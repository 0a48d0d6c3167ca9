//go:build unix

package transfer

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes an exclusive lock that ends with the process, without waiting.
func lockFile(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, nil
	case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOLCK):
		return true, nil // a file system without locks: there the user has to take care
	}
	return err == nil, err
}

// noFollow makes an open fail on a symbolic link, and not wait for a pipe.
const noFollow = unix.O_NOFOLLOW | unix.O_NONBLOCK

// closeBeforeRename says that nothing may be open below what is renamed.
const closeBeforeRename = false

func isDiskFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// syncFolder makes the entries of an open folder durable.
func syncFolder(f *os.File) error {
	if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err // some file systems cannot sync a folder; that is all they promise
	}
	return nil
}
