package transfer

import (
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"

	"ringswap/transfer/dag"
)

// maxOpen is how many files of a folder are kept open at a time.
const maxOpen = 64

// partFiles are the files of a manifest on disk, opened as needed. Every path
// is resolved inside an os.Root: no symbolic link leads out of it.
type partFiles struct {
	m        *dag.Manifest
	root     *os.Root // of the content, or the folder it is in if that is a file
	name     string   // of the only file; empty for a folder
	readOnly bool     // nothing is created, nothing changed
	fresh    bool     // it was empty at first: what is written in one go is not there yet

	mu      sync.Mutex
	open    map[int]*partFile
	idle    *list.List          // of *partFile: open, but nobody uses them; oldest first
	folders map[string]struct{} // that are known to exist
	changed map[string]struct{} // folders with entries that are not durable yet
}

// partFile is an open file of an entry.
type partFile struct {
	entry int
	users int
	idle  *list.Element
	once  sync.Once
	file  *os.File
	err   error

	writing sync.Mutex
}

// maxWrite is the most that is written at a time: the kernel then finds the pages
// for it among those in use before, where a whole chunk takes a block of them that
// may have to be made first.
const maxWrite = 128 << 10

// write writes p at off. Only one of several at a time does, since the kernel has
// one lock for each file and would let the others spin.
func (x *partFile) write(p []byte, off int64) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	for len(p) > 0 {
		n, err := x.file.WriteAt(p[:min(len(p), maxWrite)], off)
		if err != nil {
			return diskError(err)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func newPartFiles(m *dag.Manifest, root *os.Root, name string, readOnly bool) *partFiles {
	return &partFiles{
		m: m, root: root, name: name, readOnly: readOnly,
		open: make(map[int]*partFile), idle: list.New(),
		folders: make(map[string]struct{}), changed: make(map[string]struct{}),
	}
}

// path is an entry's path below the root.
func (p *partFiles) path(entry int) string {
	if p.name != "" {
		return p.name
	}
	return p.m.Path(entry)
}

// use opens the file of an entry, creating it if need be, and keeps it open
// until it is released.
func (p *partFiles) use(entry int) (*partFile, error) {
	p.mu.Lock()
	x, ok := p.open[entry]
	if !ok {
		x = &partFile{entry: entry}
		p.open[entry] = x
	}
	if x.idle != nil {
		p.idle.Remove(x.idle)
		x.idle = nil
	}
	x.users++
	p.mu.Unlock()

	x.once.Do(func() { x.file, x.err = p.openFile(entry) })
	if x.err != nil {
		p.release(x)
		return nil, x.err
	}
	return x, nil
}

func (p *partFiles) release(x *partFile) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x.users--; x.users > 0 {
		return
	}
	if x.err != nil {
		delete(p.open, x.entry)
		return
	}
	x.idle = p.idle.PushBack(x)
	for p.idle.Len() > maxOpen {
		p.closeIdle(p.idle.Front().Value.(*partFile))
	}
}

// closeIdle closes a file that nobody uses. What was written to it stays
// written, and a later sync of the reopened file covers it.
func (p *partFiles) closeIdle(x *partFile) {
	p.idle.Remove(x.idle)
	delete(p.open, x.entry)
	_ = x.file.Close() // the contents are synced through another handle before anyone relies on them
}

// closeAll closes everything. Nobody may use a file meanwhile.
func (p *partFiles) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.idle.Len() > 0 {
		p.closeIdle(p.idle.Front().Value.(*partFile))
	}
}

// openFile opens or creates a file. It has its full length from the start
// unless it is written in one go.
func (p *partFiles) openFile(entry int) (*os.File, error) {
	name, size := p.path(entry), p.m.Entries[entry].Size
	if p.readOnly {
		return p.openThere(name, os.O_RDONLY, -1)
	}
	if p.fresh && size <= dag.ChunkBytes {
		f, err := p.createFile(name, size)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	f, err := p.openThere(name, os.O_RDWR, size)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	return p.createFile(name, size)
}

// createFile makes a file that does not exist.
func (p *partFiles) createFile(name string, size int64) (*os.File, error) {
	if err := p.makeFolder(path.Dir(name)); err != nil {
		return nil, err
	}
	f, err := p.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|noFollow, 0o666)
	if err != nil {
		return nil, diskError(err)
	}
	p.entered(name)
	return f, resize(f, 0, size)
}

// openThere opens a file that exists, and gives it the right length unless
// that is negative.
func (p *partFiles) openThere(name string, flag int, size int64) (*os.File, error) {
	f, err := p.root.OpenFile(name, flag|noFollow, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: not a file", name, ErrExists)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	if size < 0 {
		return f, nil
	}
	return f, resize(f, info.Size(), size)
}

// resize gives f its full length, with a hole at the end, or closes it.
func resize(f *os.File, is, size int64) error {
	if is == size || is < size && size <= dag.ChunkBytes {
		return nil
	}
	err := f.Truncate(size)
	if err != nil {
		_ = f.Close()
	}
	return diskError(err)
}

// makeFolder creates a folder of the part folder and those above it.
func (p *partFiles) makeFolder(name string) error {
	if name == "." {
		return nil
	}
	p.mu.Lock()
	_, ok := p.folders[name]
	p.mu.Unlock()
	if ok {
		return nil
	}
	if err := p.root.MkdirAll(name, 0o777); err != nil {
		return diskError(err)
	}
	p.mu.Lock()
	p.folders[name] = struct{}{}
	p.mu.Unlock()
	for ; name != "."; name = path.Dir(name) {
		p.entered(name)
	}
	return nil
}

// entered notes that a name is new in its folder.
func (p *partFiles) entered(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed[path.Dir(name)] = struct{}{}
}

// fewFiles is up to how many files and folders are synced one by one where the
// whole file system can be synced instead.
const fewFiles = 8

// sync makes what was written to the files of these entries durable, and all
// new names.
func (p *partFiles) sync(entries []int) error {
	p.mu.Lock()
	changed := p.changed
	p.changed = make(map[string]struct{})
	p.mu.Unlock()
	if len(entries)+len(changed) > fewFiles {
		all, err := p.syncAll()
		if all || err != nil {
			return err
		}
	}
	for _, e := range entries {
		x, err := p.use(e)
		if err != nil {
			return err
		}
		err = syncFile(x.file)
		p.release(x)
		if err != nil {
			return diskError(err)
		}
	}
	for name := range changed {
		if err := p.syncFolder(name); err != nil {
			return diskError(err)
		}
	}
	return nil
}

// syncAll syncs the whole file system, if that is possible.
func (p *partFiles) syncAll() (bool, error) {
	f, err := p.root.Open(".")
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	all, err := syncFileSystem(f)
	return all, diskError(err)
}

func (p *partFiles) syncFolder(name string) error {
	f, err := p.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return syncFolder(f)
}
