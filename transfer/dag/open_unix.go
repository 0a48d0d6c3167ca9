//go:build unix

package dag

import (
	"os"

	"golang.org/x/sys/unix"
)

// openRegular opens a path that was a regular file a moment ago. Should it be
// a pipe or a symbolic link by now, it neither blocks nor follows.
func openRegular(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
}

// hidden reports whether a folder's entry is left out by default.
func hidden(name string, _ os.DirEntry) bool { return name[0] == '.' }
