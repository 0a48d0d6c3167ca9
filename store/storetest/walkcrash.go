package storetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fork copies the store's folder, as a process that is killed leaves it, and
// goes on with the copy.
func (w *walk) fork(change func(dir string)) {
	w.gen++
	dir := filepath.Join(w.top, fmt.Sprintf("store-%d", w.gen))
	w.must("copy", copyDir(w.dir, dir))
	w.must("close the one left behind", w.s.Close())
	w.must("remove it", os.RemoveAll(w.dir))
	change(dir)
	w.dir = dir
	w.open()
}

// copyDir copies a folder. Files that go away meanwhile, as an index's do, are
// left out.
func copyDir(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		rel, rerr := filepath.Rel(from, path)
		if err = errors.Join(err, rerr); err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
}

func (w *walk) kill() {
	w.fork(w.maybeHurtIndex)
	w.must("killed", w.compare(w.model))
	w.durable()
}

// powerFails spoils what no Sync has covered: the end of the last pack is
// missing, or a piece of it was never written, or is something else.
func (w *walk) powerFails() {
	what := ""
	w.fork(func(dir string) {
		name, size := w.lastPack(dir)
		from := int64(64)
		if name == w.sure {
			from = w.sureSize
		}
		at := from + w.r.Int64N(size-from+1)
		path := filepath.Join(dir, "packs", name)
		what = fmt.Sprintf("%s at %d of %d, durable %d", name, at, size, from)
		if w.r.IntN(2) == 0 {
			w.must("cut", os.Truncate(path, at))
		} else {
			hole := make([]byte, min(size-at, 1+w.r.Int64N(600)))
			if w.r.IntN(2) == 0 {
				for i := range hole {
					hole[i] = byte(w.r.Uint32())
				}
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			w.must("open pack", err)
			_, err = f.WriteAt(hole, at)
			w.must("write pack", errors.Join(err, f.Close()))
		}
		w.maybeHurtIndex(dir)
	})
	var all []error
	for i := len(w.past) - 1; i >= 0; i-- {
		err := w.compare(w.past[i])
		if err == nil {
			w.model = w.past[i].Clone()
			w.durable()
			return
		}
		all = append(all, err)
	}
	w.t.Fatalf("step %d: after the power failed (%s) the store is none of %d states it may be in: %v", w.step, what, len(w.past), errors.Join(all...))
}

func (w *walk) loseIndex() {
	w.must("close", w.s.Close())
	w.hurtIndex(w.dir)
	w.open()
	w.durable()
	w.must("without index", w.compare(w.model))
}

func (w *walk) maybeHurtIndex(dir string) {
	if w.r.IntN(3) == 0 {
		w.hurtIndex(dir)
	}
}

// hurtIndex deletes the index, or some of its files, or flips bytes in them.
func (w *walk) hurtIndex(dir string) {
	all, err := filepath.Glob(filepath.Join(dir, "index.*"))
	w.must("list indexes", err)
	if w.r.IntN(2) == 0 {
		for _, x := range all {
			w.must("remove index", os.RemoveAll(x))
		}
		return
	}
	for _, x := range all {
		w.must("walk index", filepath.WalkDir(x, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || w.r.IntN(3) > 0 {
				return err
			}
			if w.r.IntN(2) == 0 {
				return os.Remove(path)
			}
			b, err := os.ReadFile(path)
			if err != nil || len(b) == 0 {
				return err
			}
			b[w.r.IntN(len(b))] ^= 1 << w.r.IntN(8)
			return os.WriteFile(path, b, 0o600)
		}))
	}
}
