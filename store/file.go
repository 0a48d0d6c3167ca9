package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a user's file as it was when its blocks were hashed. The store
// serves blocks out of it only as long as all of this is still so.
type File struct {
	// Path is absolute.
	Path string
	// Size is in bytes.
	Size int64
	// ModTime is the time of modification in nanoseconds since 1970.
	ModTime int64
	// Inode is the file's number in its file system, 0 where there is none. A
	// file that was replaced by another of the same size and time has another.
	Inode uint64
	// Device is the file system's number when the file was registered. It is for
	// people: it may be another after a restart, so it is not compared.
	Device uint64
}

// StatFile describes the file at path as it is now, following symbolic links.
// Whoever hashes a file takes this description first and gives it to
// [Batch.File]; the end of that import compares it again, so that no write in
// between goes unnoticed. It returns a [FileError] for what is not there or no
// regular file.
func StatFile(path string) (File, error) {
	if !filepath.IsAbs(path) {
		return File{}, fmt.Errorf("store: %s: path must be absolute", path)
	}
	return statFile(path)
}

// check reports whether now is still the file that f describes.
func (f File) check(now File) error {
	var detail string
	switch {
	case now.Size != f.Size:
		detail = fmt.Sprintf("size is %d bytes, was %d", now.Size, f.Size)
	case now.ModTime != f.ModTime:
		detail = "time of modification differs"
	case f.Inode != 0 && now.Inode != 0 && now.Inode != f.Inode:
		detail = "another file has taken its place"
	default:
		return nil
	}
	return &FileError{Path: f.Path, Detail: detail, Err: ErrChanged}
}

// recheck looks at the path again.
func (f File) recheck() error {
	now, err := statFile(f.Path)
	if err != nil {
		return err
	}
	return f.check(now)
}

// open opens the file for reading and makes sure that what was opened is what
// f describes.
func (f File) open() (*os.File, error) {
	if err := f.recheck(); err != nil { // before opening: it may be a pipe by now
		return nil, err
	}
	h, err := openForReading(f.Path)
	if err != nil {
		return nil, fileError(f.Path, err)
	}
	now, err := statOpen(h, f.Path)
	if err == nil {
		err = f.check(now)
	}
	if err != nil {
		_ = h.Close() // opened for reading only: nothing can be lost
		return nil, err
	}
	return h, nil
}

// fileError wraps what the operating system says about a user's file.
func fileError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || isNotDir(err) {
		return &FileError{Path: path, Err: ErrMissing}
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the path is in FileError already
	}
	return &FileError{Path: path, Err: err}
}

func notRegular(path string) error {
	return &FileError{Path: path, Detail: "not a regular file", Err: ErrChanged}
}
