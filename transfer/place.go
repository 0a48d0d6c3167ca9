package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ringswap/transfer/dag"
)

const (
	partEnding  = ".part"
	stateEnding = ".part.state"
)

// place is where a target is.
type place struct {
	path   string   // final place, absolute
	name   string   // its last element
	parent *os.Root // the folder it is in
}

func (p place) part() string  { return p.name + partEnding }
func (p place) state() string { return p.name + stateEnding }

// near is the path of something beside the final place.
func (p place) near(name string) string { return filepath.Join(filepath.Dir(p.path), name) }

func openPlace(path string) (place, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return place{}, err
	}
	p := place{path: path, name: filepath.Base(path)}
	if filepath.Dir(path) == path {
		return place{}, fmt.Errorf("%s: %w", path, ErrExists)
	}
	p.parent, err = os.OpenRoot(filepath.Dir(path))
	return p, err
}

// OutputPath decides where a result goes: to out, or into it under the given
// name if out is a folder, or into the current folder if out is empty.
func OutputPath(out, name string) (string, error) {
	if out == "" {
		return filepath.Abs(name)
	}
	info, err := os.Stat(out)
	switch {
	case err == nil && info.IsDir():
		return filepath.Abs(filepath.Join(out, name))
	case err == nil || errors.Is(err, fs.ErrNotExist):
		if os.IsPathSeparator(out[len(out)-1]) {
			return "", fmt.Errorf("%s: %w: not a folder", out, fs.ErrNotExist)
		}
		return filepath.Abs(out)
	}
	return "", err
}

// lockState opens and locks the state file, creating it if need be.
func (p place) lockState() (s *stateFile, created bool, err error) {
	for {
		_, err := p.parent.Lstat(p.state())
		created := errors.Is(err, fs.ErrNotExist)
		f, err := p.parent.OpenFile(p.state(), os.O_RDWR|os.O_CREATE|noFollow, 0o666)
		if err != nil {
			return nil, false, diskError(err)
		}
		locked, err := lockFile(f)
		if err != nil || !locked {
			_ = f.Close()
			if err == nil {
				err = fmt.Errorf("%s: %w", p.path, ErrInUse)
			}
			return nil, false, err
		}
		// Whoever had the lock before may have removed the file while we opened it.
		mine, err := f.Stat()
		if err == nil {
			var there fs.FileInfo
			if there, err = p.parent.Lstat(p.state()); err == nil && os.SameFile(mine, there) {
				return &stateFile{f: f}, created, nil
			}
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, false, err
		}
	}
}

// occupied returns what is at the final place, nil if nothing is.
func (p place) occupied() (fs.FileInfo, error) {
	info, err := p.parent.Lstat(p.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return info, err
}

func exists(path, why string) error {
	return fmt.Errorf("%s: %w: %s", path, ErrExists, why)
}

// leftover reports whether there is a state file without a part: what is left
// when a get ends between its last steps.
func (p place) leftover() bool {
	_, err := p.parent.Lstat(p.state())
	_, partErr := p.parent.Lstat(p.part())
	return err == nil && errors.Is(partErr, fs.ErrNotExist)
}

// entryPath is where an entry of a manifest is, if its root is at path.
func entryPath(m *dag.Manifest, entry int, path string) string {
	return filepath.Join(path, filepath.FromSlash(m.Path(entry)))
}
