package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
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
	made, err := t.files.complete()
	if err != nil {
		return err
	}
	if err := t.files.syncMade(made); err != nil {
		return err
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
// that every file has its length. It returns the folders that have changed.
func (p *partFiles) complete() (changed map[string]struct{}, err error) {
	changed = make(map[string]struct{})
	for _, kind := range []dag.Kind{dag.Folder, dag.File, dag.Symlink} {
		for i := range p.m.Entries {
			e := &p.m.Entries[i]
			if e.Kind != kind || p.name == "" && i == 0 {
				continue
			}
			made, err := p.completeEntry(i, e)
			if err != nil {
				return nil, err
			}
			if made {
				changed[path.Dir(p.path(i))] = struct{}{}
			}
		}
	}
	return changed, nil
}

// completeEntry makes one entry that chunks do not bring, and reports whether
// it did.
func (p *partFiles) completeEntry(i int, e *dag.Entry) (bool, error) {
	name := p.path(i)
	info, err := p.root.Lstat(name)
	there := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	switch e.Kind {
	case dag.Folder:
		return !there, p.makeFolder(name)
	case dag.File:
		if there && info.Mode().IsRegular() && info.Size() == e.Size {
			return false, nil
		}
		if e.Size > 0 {
			return false, fmt.Errorf("%s: its length was changed by somebody else", filepath.Join(p.root.Name(), name))
		}
		_, done, err := p.use(i)
		if err == nil {
			done()
		}
		return true, err
	}
	if there {
		target, err := p.root.Readlink(name)
		if err == nil && target != e.Target {
			err = exists(filepath.Join(p.root.Name(), name), "it points elsewhere")
		}
		return false, err
	}
	if err := p.makeFolder(path.Dir(name)); err != nil {
		return false, err
	}
	return true, diskError(p.root.Symlink(e.Target, name))
}

// syncMade makes the folders that complete has changed durable.
func (p *partFiles) syncMade(changed map[string]struct{}) error {
	if len(changed) > fewFiles {
		if all, err := p.syncAll(); all || err != nil {
			return err
		}
	}
	for name := range changed {
		if err := p.syncFolder(name); err != nil {
			return err
		}
	}
	return nil
}
