//go:build unix

package api

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedByUser says whether the file is this user's. Root trusts every owner.
func ownedByUser(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && (int(st.Uid) == os.Geteuid() || os.Geteuid() == 0)
}

func privateMode(fi fs.FileInfo) bool { return fi.Mode().Perm()&0o077 == 0 }

// restrictSocket gives the socket its mode before it has a name, where the
// system passes that on (Linux does); elsewhere the chmod after it counts.
func restrictSocket(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
}
