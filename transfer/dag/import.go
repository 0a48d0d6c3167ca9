package dag

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"
)

var (
	// ErrChangedWhileReading is returned when a file grew, shrank, was written
	// to, replaced or removed while it was hashed. Its CID would name bytes that
	// nobody has.
	ErrChangedWhileReading = errors.New("changed while it was read")
	// ErrSpecialFile is returned for devices, pipes and sockets.
	ErrSpecialFile = errors.New("not a file, folder or symbolic link")
)

// ImportConfig says how a path is imported. The zero value is what Kubo does
// under the profile unixfs-v1-2025.
type ImportConfig struct {
	// Hidden includes the hidden entries of folders: names that begin with a
	// dot, and on Windows those with the hidden attribute. The path itself is
	// imported in any case.
	Hidden bool
	// FollowRoot imports what the path points to if it is a symbolic link.
	// Links inside a folder are always kept as links.
	FollowRoot bool
	// Workers is the number of goroutines that read and hash, each with a buffer
	// of 256 KiB. 0: one for every core.
	Workers int
	// Progress, if not nil, is called after every chunk, from several goroutines
	// but never two at a time. It must be quick.
	Progress func(Progress)
}

// Validate reports what is wrong with the configuration.
func (c ImportConfig) Validate() error {
	if c.Workers < 0 || c.Workers > 1024 {
		return fmt.Errorf("dag: %d import workers", c.Workers)
	}
	return nil
}

// Progress is how far an import has come.
type Progress struct {
	Path  string // the file that was read last
	Files int64  // files done
	Bytes int64  // bytes read
}

// Result is what an import made.
type Result struct {
	Root     cid.Cid
	Kind     Kind
	Size     int64  // bytes of content
	DAGBytes uint64 // bytes of all blocks, repeated ones counted again
	Chunks   int64  // chunks of all files, repeated ones counted again
	Files    int64
	Folders  int64
	Symlinks int64
}

// Import hashes the file or folder at path in place and returns the root of its
// DAG. It reads every byte once, with all cores, and tells sink about every
// node and chunk; a nil sink only computes the CID.
//
// Errors name the path they are about and wrap fs.ErrNotExist,
// fs.ErrPermission, ErrChangedWhileReading, ErrSpecialFile, the sink's own
// error or the context's. All goroutines have ended when Import returns.
func Import(ctx context.Context, path string, sink Sink, cfg ImportConfig) (Result, error) {
	if err := cfg.Validate(); err != nil {
		return Result{}, err
	}
	path, err := rootPath(path, cfg.FollowRoot)
	if err != nil {
		return Result{}, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return Result{}, err
	}
	if cfg.Workers == 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	im := &importer{
		cfg:  cfg,
		sink: sink,
		jobs: make(chan job, 2*cfg.Workers),
		open: make(map[*fileImport]struct{}),
	}
	if err := im.run(ctx, path, info.Mode()); err != nil {
		return Result{}, err
	}
	return im.result, nil
}

// rootPath is the path to import, absolute and clean.
func rootPath(path string, follow bool) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil || !follow {
		return path, err
	}
	return filepath.EvalSymlinks(path)
}

// importer is one import. A walker goroutine enumerates the tree depth first
// and feeds the workers through a short queue, so that little is in flight
// whatever the size of the tree. Folders are finished by whoever finishes their
// last entry.
type importer struct {
	cfg  ImportConfig
	jobs chan job

	sinkMu sync.Mutex // one call of the sink at a time
	sink   Sink       // nil: only the CID is wanted

	mu       sync.Mutex // guards what follows
	progress Progress
	result   Result
	open     map[*fileImport]struct{}
}

// job is a piece of work: a file that one worker hashes alone, or one chunk of
// an open file.
type job struct {
	path string // a whole file
	at   place

	file  *fileImport // or a chunk of this one
	index int64
}

// place is where a finished node belongs: an entry of a folder, or the root.
type place struct {
	in   *folder // nil: the root
	slot int
}

// folder is a folder whose entries are not all known yet.
type folder struct {
	at      place
	entries []child      // complete when open is 0; each slot has one writer
	open    atomic.Int64 // entries that are not complete
}

func (im *importer) run(ctx context.Context, path string, mode fs.FileMode) error {
	grp, ctx := errgroup.WithContext(ctx)
	grp.Go(func() error {
		defer close(im.jobs)
		return im.walk(ctx, path, mode, place{})
	})
	for range im.cfg.Workers {
		grp.Go(func() error {
			h := newHasher()
			for j := range im.jobs {
				if err := im.do(ctx, h, j); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := grp.Wait()
	for f := range im.open { // only after an error
		f.abandon(err)
	}
	return err
}

func (im *importer) do(ctx context.Context, h *hasher, j job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if j.file != nil {
		return j.file.hash(ctx, h, j.index)
	}
	f, err := im.openFile(ctx, j.path, j.at)
	if err != nil {
		return err
	}
	for i := range f.chunks {
		if err := f.hash(ctx, h, i); err != nil {
			return err
		}
	}
	return nil
}

// put gives a finished node its place, and finishes the folders above that were
// only waiting for it.
func (im *importer) put(ctx context.Context, at place, c child, kind Kind) error {
	for {
		im.count(c, kind)
		if at.in == nil {
			im.mu.Lock()
			defer im.mu.Unlock()
			im.result.Root, im.result.Kind, im.result.DAGBytes = c.cid, kind, c.tsize
			return nil
		}
		e := &at.in.entries[at.slot]
		e.cid, e.tsize = c.cid, c.tsize
		if at.in.open.Add(-1) > 0 {
			return nil
		}
		var err error
		if c, err = encodeFolder(ctx, at.in.entries, im.emit(ctx)); err != nil {
			return err
		}
		at, kind = at.in.at, Folder
	}
}

func (im *importer) count(c child, kind Kind) {
	im.mu.Lock()
	defer im.mu.Unlock()
	switch kind {
	case File:
		im.result.Files++
		im.result.Size += int64(c.size)
		im.result.Chunks += chunksIn(int64(c.size))
	case Folder:
		im.result.Folders++
	case Symlink:
		im.result.Symlinks++
	}
}

// emit passes nodes on to the sink.
func (im *importer) emit(ctx context.Context) emitFunc {
	return func(c cid.Cid, data []byte) error {
		if im.sink == nil {
			return nil
		}
		im.sinkMu.Lock()
		defer im.sinkMu.Unlock()
		return im.sink.Node(ctx, c, data)
	}
}

// advance reports that n more bytes were read, and files more files finished.
func (im *importer) advance(path string, n int, files int64) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.progress.Path = path
	im.progress.Bytes += int64(n)
	im.progress.Files += files
	if im.cfg.Progress != nil {
		im.cfg.Progress(im.progress)
	}
}

// chunksIn is the number of chunks of a file: one also if it is empty.
func chunksIn(size int64) int64 { return max(1, (size+ChunkBytes-1)/ChunkBytes) }
