//go:build unix

package p2p

import (
	"fmt"
	"io/fs"
	"os"
)

// checkPrivate refuses a key that group or others may read or write.
func checkPrivate(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %04o; if nobody else has used it, run: chmod 600 %s",
			ErrIdentityExposed, path, mode, path)
	}
	return nil
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}
