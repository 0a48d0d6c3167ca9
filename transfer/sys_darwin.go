package transfer

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncFile hands the contents of a file to the disk. The disk's own cache is
// emptied once for all files, when the state is written (os.File.Sync does).
func syncFile(f *os.File) error {
	return os.NewSyscallError("fsync "+f.Name(), unix.Fsync(int(f.Fd())))
}

// syncFileSystem is not to be had here.
func syncFileSystem(*os.File) (bool, error) { return false, nil }

// renameNew renames a file or folder and fails with fs.ErrExist rather than
// replace something.
func renameNew(from, to string) error {
	err := unix.RenamexNp(from, to, unix.RENAME_EXCL)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EINVAL) {
		return renameUnlessThere(from, to) // not every file system can
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// punchHole is not to be had here: zeros are written.
func punchHole(*os.File, int64, int64) bool { return false }
