package transfer

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile takes an exclusive lock that ends with the process, without waiting.
// The lock covers a byte that nobody reads or writes, far behind the contents.
func lockFile(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

const noFollow = 0

// closeBeforeRename says that nothing may be open below what is renamed.
const closeBeforeRename = true

func isDiskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// syncFolder does nothing: Windows keeps the entries of folders in its journal.
func syncFolder(*os.File) error { return nil }

// syncFile makes the contents of a file durable.
func syncFile(f *os.File) error { return f.Sync() }

// syncFileSystem is not to be had without rights that users do not have.
func syncFileSystem(*os.File) (bool, error) { return false, nil }

// renameNew renames a file or folder and fails with fs.ErrExist rather than
// replace something.
func renameNew(from, to string) error {
	f, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	t, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	if err := windows.MoveFileEx(f, t, windows.MOVEFILE_WRITE_THROUGH); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// punchHole is not to be had here: zeros are written.
func punchHole(*os.File, int64, int64) bool { return false }
