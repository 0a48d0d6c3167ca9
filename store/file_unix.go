//go:build unix

package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func statFile(path string) (File, error) {
	var st unix.Stat_t
	for {
		err := unix.Stat(path, &st)
		if err == nil {
			return describe(path, &st)
		}
		if !errors.Is(err, unix.EINTR) {
			return File{}, fileError(path, err)
		}
	}
}

func statOpen(f *os.File, path string) (File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return File{}, fileError(path, err)
	}
	return describe(path, &st)
}

func describe(path string, st *unix.Stat_t) (File, error) {
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return File{}, notRegular(path)
	}
	return File{
		Path: path, Size: st.Size, ModTime: st.Mtim.Nano(),
		Inode: uint64(st.Ino), Device: uint64(st.Dev), //nolint:unconvert // their types differ between systems
	}, nil
}

func openForReading(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

func isNotDir(err error) bool { return errors.Is(err, unix.ENOTDIR) }

func isDiskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
