//go:build !unix

package p2p

import "io/fs"

// checkPrivate cannot tell from a mode who may read the file here; a user's
// profile folder is private by its access list.
func checkPrivate(string, fs.FileInfo) error { return nil }

// syncDir does nothing: this system has no sync of folders.
func syncDir(string) error { return nil }
