package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"ringswap/transfer/dag"
)

// finish turns the part into the result.
func (t *Target) finish() error {
	if err := t.Sync(); err != nil {
		return err
	}
	if err := t.files.complete(); err != nil {
		return err
	}
	if err := t.files.sync(nil); err != nil {
		return err
	}
	if t.files.name == "" { // nobody else put anything there
		diff, err := compareTree(t.m, t.files.root, false)
		if err != nil {
			return err
		}
		if diff != "" {
			return exists(t.files.root.Name(), diff)
		}
	}
	if err := t.move(); err != nil {
		return err
	}
	if err := t.syncParent(); err != nil {
		return err
	}
	return t.dropState()
}

// move gives the part its final name. Nobody reads meanwhile.
func (t *Target) move() error {
	t.moving.Lock()
	defer t.moving.Unlock()
	if closeBeforeRename {
		if err := t.closeParts(); err != nil {
			return err
		}
	}
	if err := t.rename(); err != nil {
		return err
	}
	return t.moved()
}

// syncParent makes the new name durable.
func (t *Target) syncParent() error {
	f, err := t.place.parent.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return diskError(syncFolder(f))
}

// dropState removes the state file, and with it the lock.
func (t *Target) dropState() error {
	if closeBeforeRename {
		_ = t.state.f.Close()
		t.state = nil
		return t.place.parent.Remove(t.place.state())
	}
	err := t.place.parent.Remove(t.place.state())
	_ = t.state.f.Close()
	t.state = nil
	return err
}

// discard removes the part and its state file.
func (t *Target) discard() error {
	if err := t.closeParts(); err != nil {
		return err
	}
	if err := t.place.parent.RemoveAll(t.place.part()); err != nil {
		return err
	}
	return t.dropState()
}

// moved makes ReadAt look at the final place.
func (t *Target) moved() error {
	if t.files == nil {
		return t.openFiles(t.place.name, true)
	}
	t.files.readOnly = true
	if t.files.name != "" {
		t.files.name = t.place.name
	}
	return nil
}

// rename moves the part to its final place.
func (t *Target) rename() error {
	part := t.place.near(t.place.part())
	old, err := t.place.occupied()
	if err != nil {
		return err
	}
	if old == nil || !t.cfg.Force {
		err := renameNew(part, t.place.path)
		if errors.Is(err, fs.ErrExist) {
			return exists(t.place.path, "it appeared meanwhile; the content is in "+part)
		}
		return err
	}
	if !old.IsDir() && t.m.Entries[0].Kind == dag.File {
		return os.Rename(part, t.place.path)
	}
	// A folder cannot be replaced in one step: it steps aside first.
	aside := t.place.name + ".old-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if err := renameNew(t.place.path, t.place.near(aside)); err != nil {
		return err
	}
	if err := renameNew(part, t.place.path); err != nil {
		return errors.Join(err, renameNew(t.place.near(aside), t.place.path))
	}
	return t.place.parent.RemoveAll(aside)
}

// complete makes what no chunk brings: folders, empty files and, last of all,
// symbolic links, so that nothing was ever written through one. It also checks
// that every file has its length.
func (p *partFiles) complete() error {
	for _, kind := range []dag.Kind{dag.Folder, dag.File, dag.Symlink} {
		for i := range p.m.Entries {
			e := &p.m.Entries[i]
			if e.Kind != kind || i == 0 && kind == dag.Folder {
				continue
			}
			if err := p.completeEntry(i, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// completeEntry makes one entry, if chunks do not bring it.
func (p *partFiles) completeEntry(i int, e *dag.Entry) error {
	name := p.path(i)
	if e.Kind == dag.Folder {
		return p.makeFolder(name)
	}
	info, err := p.root.Lstat(name)
	there := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch {
	case e.Kind == dag.Symlink && there:
		target, err := p.root.Readlink(name)
		if err == nil && target != e.Target {
			err = exists(filepath.Join(p.root.Name(), name), "it points elsewhere")
		}
		return err
	case e.Kind == dag.Symlink:
		p.entered(name)
		return diskError(p.root.Symlink(e.Target, name))
	case there && info.Mode().IsRegular() && info.Size() == e.Size:
		return nil
	case e.Size > 0:
		return fmt.Errorf("%s: its length was changed by somebody else", filepath.Join(p.root.Name(), name))
	}
	x, err := p.use(i)
	if err == nil {
		p.release(x)
	}
	return err
}
