//go:build unix

package transfer

import (
	"errors"
	"io/fs"
	"os"
)

// renameUnlessThere is renameNew where the system offers nothing better: what
// appears between looking and renaming is replaced, if it is a file.
func renameUnlessThere(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(from, to)
}
