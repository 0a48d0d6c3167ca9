package transfer

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncFile makes the contents of a file, and what is needed to read them,
// durable.
func syncFile(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync "+f.Name(), err)
		}
	}
}

// syncFileSystem makes everything on the file system of f durable, and reports
// whether it could: for many small files that takes a fraction of the time that
// syncing each of them does.
func syncFileSystem(f *os.File) (bool, error) {
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return false, os.NewSyscallError("syncfs "+f.Name(), err)
	}
	return true, nil
}

// renameNew renames a file or folder and fails with fs.ErrExist rather than
// replace something.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return renameUnlessThere(from, to) // not every file system can
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// punchHole makes a range inside a file read as zeros without taking room, and
// reports whether it could.
func punchHole(f *os.File, off, n int64) bool {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n) == nil
}
