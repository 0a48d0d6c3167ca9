//go:build unix && !linux && !darwin

package transfer

import "os"

// syncFile makes the contents of a file durable.
func syncFile(f *os.File) error { return f.Sync() }

// syncFileSystem is not to be had here.
func syncFileSystem(*os.File) (bool, error) { return false, nil }

// renameNew renames a file or folder and fails with fs.ErrExist rather than
// replace something.
func renameNew(from, to string) error { return renameUnlessThere(from, to) }

// punchHole is not to be had here: zeros are written.
func punchHole(*os.File, int64, int64) bool { return false }
