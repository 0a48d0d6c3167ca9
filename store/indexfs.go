package store

import (
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// errGivenUp is what an index is told that still writes though it was given up.
var errGivenUp = errors.New("store: index was given up")

// lastingFS is the file system of an index. Once the index is given up, nothing
// is written to it any more, so that what is on disk stays as a crash at that
// moment would have left it, from which opening it recovers. That is what Pebble
// counts on: a manifest that could not be synced ends the process. Going on, it
// would write the same tables and their entry in the manifest again, and the
// next process would find every key twice, and panic.
type lastingFS struct {
	vfs.FS
	x *index
}

// may reports whether the index may write.
func (f lastingFS) may() error {
	if f.x.failed.Load() {
		return errGivenUp
	}
	return nil
}

// Create also keeps an index that was given up from trying again and again.
func (f lastingFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if f.may() != nil {
		<-f.x.quit
		return nil, errGivenUp
	}
	file, err := f.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return lastingFile{file, f}, nil
}

func (f lastingFS) Rename(from, to string) error {
	if err := f.may(); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

func (f lastingFS) Remove(name string) error {
	if err := f.may(); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

// Unwrap is part of the interface.
func (f lastingFS) Unwrap() vfs.FS { return f.FS }

type lastingFile struct {
	vfs.File
	fs lastingFS
}

func (f lastingFile) Write(p []byte) (int, error) {
	if err := f.fs.may(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f lastingFile) Sync() error {
	if err := f.fs.may(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f lastingFile) SyncData() error {
	if err := f.fs.may(); err != nil {
		return err
	}
	return f.File.SyncData()
}
