package dag

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// walk enumerates the tree at path. It alone sends jobs.
func (im *importer) walk(ctx context.Context, path string, mode fs.FileMode, at place) error {
	switch mode.Type() {
	case 0:
		return im.walkFile(ctx, path, at)
	case fs.ModeDir:
		return im.walkFolder(ctx, path, at)
	case fs.ModeSymlink:
		target, err := os.Readlink(path)
		if err != nil {
			return vanished(err)
		}
		c, err := encodeSymlink(target, im.emit(ctx))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return im.put(ctx, at, c, Symlink)
	}
	return fmt.Errorf("%s: %s: %w", path, mode.Type(), ErrSpecialFile)
}

// walkFile hands a small file to one worker, and the chunks of a large one to
// all of them.
func (im *importer) walkFile(ctx context.Context, path string, at place) error {
	info, err := os.Lstat(path)
	if err != nil {
		return vanished(err)
	}
	if info.Size() <= ChunkBytes {
		return im.send(ctx, job{path: path, at: at})
	}
	f, err := im.openFile(ctx, path, at)
	if err != nil {
		return err
	}
	for i := range f.chunks {
		if err := im.send(ctx, job{file: f, index: i}); err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) walkFolder(ctx context.Context, path string, at place) error {
	list, err := os.ReadDir(path)
	if err != nil {
		return vanished(err)
	}
	kept := list[:0]
	for _, e := range list {
		if im.cfg.Hidden || !hidden(e.Name(), e) {
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 {
		c, err := encodeFolder(ctx, nil, im.emit(ctx))
		if err != nil {
			return err
		}
		return im.put(ctx, at, c, Folder)
	}
	dir := &folder{at: at, entries: make([]child, len(kept))}
	for i, e := range kept {
		dir.entries[i].name = e.Name()
	}
	dir.open.Store(int64(len(kept)))
	for i, e := range kept {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := im.walk(ctx, filepath.Join(path, e.Name()), e.Type(), place{dir, i}); err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) send(ctx context.Context, j job) error {
	select {
	case im.jobs <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// vanished marks the error about something that was there a moment ago.
func vanished(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", err, ErrChangedWhileReading)
	}
	return err
}

// Measure adds up the files and bytes that Import would read at path, without
// reading them: what a progress bar needs to know first. The tree may change
// before Import sees it.
func Measure(ctx context.Context, path string, cfg ImportConfig) (files, bytes int64, err error) {
	root, err := rootPath(path, cfg.FollowRoot)
	if err != nil {
		return 0, 0, err
	}
	err = filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case p != root && !cfg.Hidden && hidden(e.Name(), e):
			if e.IsDir() {
				return fs.SkipDir
			}
		case e.Type().IsRegular():
			info, err := e.Info()
			if err != nil {
				return vanished(err)
			}
			files, bytes = files+1, bytes+info.Size()
		}
		return nil
	})
	return files, bytes, err
}
