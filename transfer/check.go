package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"ringswap/transfer/dag"
)

// checker compares what is on disk with a manifest.
type checker struct {
	m       *dag.Manifest
	files   *partFiles
	workers int                   // 0: one for every core
	tell    func(read, right int) // bytes read and found right; nil: nobody asks
}

// found is the outcome of a check.
type found struct {
	right    *Bitmap // chunks that are in all their places
	somebody bool    // bytes were read that are neither right nor zero
}

// chunks reads and hashes the chunks that want names, on all cores.
func (c *checker) chunks(ctx context.Context, want func(i int) bool) (found, error) {
	workers := c.workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	out := found{right: NewBitmap(len(c.m.Chunks))}
	grp, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	grp.Go(func() error {
		defer close(next)
		for i := range c.m.Chunks {
			if !want(i) {
				continue
			}
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	var mu sync.Mutex
	for range workers {
		grp.Go(func() error {
			buf := make([]byte, dag.MaxBlockBytes)
			for i := range next {
				ok, somebody, err := c.chunk(i, buf)
				if err != nil {
					return err
				}
				mu.Lock()
				out.somebody = out.somebody || somebody
				if ok {
					out.right.Set(i)
				}
				mu.Unlock()
				c.report(i, ok)
			}
			return nil
		})
	}
	err := grp.Wait()
	c.files.closeAll()
	return out, err
}

func (c *checker) report(i int, ok bool) {
	if c.tell == nil {
		return
	}
	n := c.m.PayloadSize(i)
	if ok {
		c.tell(n, n)
	} else {
		c.tell(n, 0)
	}
}

// chunk checks every place of one chunk.
func (c *checker) chunk(i int, buf []byte) (ok, somebody bool, err error) {
	buf = buf[:c.m.PayloadSize(i)]
	for x := range c.m.Extents(i) {
		n, err := c.read(x, buf)
		if err != nil {
			return false, false, err
		}
		if n == len(buf) {
			if _, err := dag.Enclose(c.m.Chunks[i].Cid, buf); err == nil {
				continue
			}
		}
		return false, len(bytes.TrimLeft(buf[:n], "\x00")) > 0, nil
	}
	return true, false, nil
}

// read fills p from a place, as far as there is something.
func (c *checker) read(x dag.Extent, p []byte) (int, error) {
	f, err := c.files.use(x.Entry)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer c.files.release(f)
	n, err := f.file.ReadAt(p, x.Offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// sameAs reports whether the file or folder at p is what m describes, to the
// last byte and name.
func sameAs(ctx context.Context, m *dag.Manifest, p string, c checker) (bool, error) {
	info, err := os.Lstat(p)
	if err != nil {
		return false, err
	}
	dir, name := p, ""
	if m.Entries[0].Kind == dag.File {
		dir, name = filepath.Split(p)
		if !info.Mode().IsRegular() || info.Size() != m.Size {
			return false, nil
		}
	} else if !info.IsDir() {
		return false, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false, err
	}
	defer func() { _ = root.Close() }()
	if name == "" {
		rest, err := compareTree(m, root, false)
		if err != nil || rest != "" {
			return false, err
		}
	}
	c.m, c.files = m, newPartFiles(m, root, name, true)
	got, err := c.chunks(ctx, func(int) bool { return true })
	return err == nil && got.right.Full(), err
}

// compareTree compares the names, kinds, sizes and links below root with a
// manifest and returns the first difference, in words. With unfinished, what is
// missing or short is no difference.
func compareTree(m *dag.Manifest, root *os.Root, unfinished bool) (string, error) {
	key := func(p string) string { return p }
	if rulesOf(runtime.GOOS).foldCase {
		key = fold
	}
	want := make(map[string]int, len(m.Entries))
	for i := range m.Entries {
		want[key(m.Path(i))] = i
	}
	seen, diff := 0, ""
	err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, ok := 0, true // "." is entry 0
		if p != "." {
			i, ok = want[key(p)]
		}
		if !ok {
			diff = p + " does not belong there"
			return fs.SkipAll
		}
		seen++
		diff, err = compareEntry(&m.Entries[i], root, p, d, unfinished)
		if err == nil && diff != "" {
			return fs.SkipAll
		}
		return err
	})
	if diff == "" && err == nil && seen < len(want) && !unfinished {
		diff = "something is missing"
	}
	return diff, err
}

// compareEntry compares one file, folder or link.
func compareEntry(e *dag.Entry, root *os.Root, p string, d fs.DirEntry, unfinished bool) (string, error) {
	switch {
	case e.Kind == dag.Folder && d.IsDir():
		return "", nil
	case e.Kind == dag.File && d.Type().IsRegular():
		info, err := d.Info()
		if err == nil && info.Size() != e.Size && !unfinished {
			return fmt.Sprintf("%s has %d bytes, not %d", p, info.Size(), e.Size), nil
		}
		return "", err
	case e.Kind == dag.Symlink && d.Type() == fs.ModeSymlink:
		target, err := root.Readlink(path.Clean(p))
		if err == nil && target != e.Target {
			return p + " points elsewhere", nil
		}
		return "", err
	}
	return fmt.Sprintf("%s is no %s", p, e.Kind), nil
}
