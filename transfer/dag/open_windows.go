package dag

import (
	"os"
	"syscall"
)

// openRegular opens a path that was a regular file a moment ago.
func openRegular(path string) (*os.File, error) { return os.Open(path) }

// hidden reports whether a folder's entry is left out by default.
func hidden(name string, e os.DirEntry) bool {
	if name[0] == '.' {
		return true
	}
	info, err := e.Info()
	if err != nil {
		return false // whoever opens it next reports the error
	}
	attr, ok := info.Sys().(*syscall.Win32FileAttributeData)
	return ok && attr.FileAttributes&syscall.FILE_ATTRIBUTE_HIDDEN != 0
}
