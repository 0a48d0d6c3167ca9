//go:build unix

package integration

import (
	"os"
	"path/filepath"
	"syscall"
)

// written is the number of bytes of a file that are on disk, holes left out;
// for a folder the sum of its files.
func written(path string) (n int64) {
	_ = filepath.Walk(path, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return n
}
