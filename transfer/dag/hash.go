package dag

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// readBytes is how much is read before it is hashed. Smaller than a chunk, so
// that what was just copied from the page cache is still in the core's cache
// when it is hashed.
const readBytes = 256 << 10

// hasher is what one worker owns.
type hasher struct {
	sum hash.Hash
	buf []byte
}

func newHasher() *hasher { return &hasher{sum: sha256.New(), buf: make([]byte, readBytes)} }

// section hashes n bytes of r from off on. It fails with io.ErrUnexpectedEOF
// if there are fewer.
func (h *hasher) section(r io.ReaderAt, off int64, n int) (digest [sha256.Size]byte, err error) {
	h.sum.Reset()
	for n > 0 {
		m, err := r.ReadAt(h.buf[:min(n, len(h.buf))], off)
		h.sum.Write(h.buf[:m])
		off, n = off+int64(m), n-m
		if n == 0 {
			break
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return digest, err
		}
	}
	h.sum.Sum(digest[:0])
	return digest, nil
}

// fileImport is a file whose chunks are being hashed, by one worker or several.
type fileImport struct {
	im     *importer
	path   string
	at     place
	file   *os.File
	stat   fs.FileInfo // from before the first read
	chunks int64

	mu     sync.Mutex // guards what follows
	sink   FileSink   // nil: nobody asks
	done   int64      // chunks in the tree
	ahead  map[int64][sha256.Size]byte
	tree   layout
	refs   []Ref
	closed bool
}

// openFile begins a file.
func (im *importer) openFile(ctx context.Context, path string, at place) (_ *fileImport, err error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, vanished(err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	stat, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !stat.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %s: %w", path, stat.Mode().Type(), ErrSpecialFile)
	}
	if err := settle(ctx, stat.ModTime()); err != nil {
		return nil, err
	}
	f := &fileImport{
		im: im, path: path, at: at, file: file, stat: stat, chunks: chunksIn(stat.Size()),
		ahead: make(map[int64][sha256.Size]byte),
		tree:  layout{width: nodeLinks, emit: im.emit(ctx)},
	}
	if im.sink != nil {
		im.sinkMu.Lock()
		f.sink, err = im.sink.File(ctx, path, stat)
		im.sinkMu.Unlock()
		if err != nil {
			return nil, err
		}
	}
	im.mu.Lock()
	im.open[f] = struct{}{}
	im.mu.Unlock()
	return f, nil
}

// clockTick is how coarse the clock behind a file's times may be.
const clockTick = 20 * time.Millisecond

// settle waits until a write after now is sure to show in a file's time of
// modification: a file that was written within the last tick of the clock could
// change once more without it.
func settle(ctx context.Context, modified time.Time) error {
	wait := clockTick - time.Since(modified)
	if wait <= 0 || wait > clockTick { // long ago, or in the future
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hash reads and hashes one chunk. Whoever brings the last one finishes the file.
func (f *fileImport) hash(ctx context.Context, h *hasher, index int64) error {
	off := index * ChunkBytes
	n := int(min(ChunkBytes, f.stat.Size()-off))
	digest, err := h.section(f.file, off, n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w: it is shorter now", f.path, ErrChangedWhileReading)
	}
	if err != nil {
		return err
	}
	f.im.advance(f.path, n, 0)

	f.mu.Lock()
	defer f.mu.Unlock()
	if index != f.done {
		f.ahead[index] = digest
		return nil
	}
	for ok := true; ok; digest, ok = f.ahead[f.done] {
		delete(f.ahead, f.done)
		if err := f.add(ctx, &digest); err != nil {
			return err
		}
	}
	if f.done < f.chunks {
		return nil
	}
	return f.finish(ctx)
}

// add appends the next chunk in order.
func (f *fileImport) add(ctx context.Context, digest *[sha256.Size]byte) error {
	off := f.done * ChunkBytes
	size := min(ChunkBytes, f.stat.Size()-off)
	f.done++
	c := leafCid(digest)
	if err := f.tree.add(child{cid: c, size: uint64(size), tsize: uint64(size)}); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if f.sink == nil {
		return nil
	}
	f.refs = append(f.refs, Ref{Chunk: Chunk{Cid: c, Size: int(size)}, Offset: off})
	if len(f.refs) < nodeLinks && f.done < f.chunks {
		return nil
	}
	f.im.sinkMu.Lock()
	defer f.im.sinkMu.Unlock()
	err := f.sink.Chunks(ctx, f.refs)
	f.refs = f.refs[:0]
	return err
}

// finish completes a file that was read to its end.
func (f *fileImport) finish(ctx context.Context) error {
	if err := f.unchanged(); err != nil {
		return err
	}
	root, err := f.tree.root()
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	root.size = uint64(f.stat.Size())
	if err := f.close(nil); err != nil {
		return err
	}
	f.im.mu.Lock()
	delete(f.im.open, f)
	f.im.mu.Unlock()
	f.im.advance(f.path, 0, 1)
	return f.im.put(ctx, f.at, root, File)
}

// unchanged checks that what was read is what the path names now.
func (f *fileImport) unchanged() error {
	var one [1]byte
	n, err := f.file.ReadAt(one[:], f.stat.Size())
	if n > 0 {
		return fmt.Errorf("%s: %w: it is longer now", f.path, ErrChangedWhileReading)
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	now, err := f.file.Stat()
	if err != nil {
		return err
	}
	if now.Size() != f.stat.Size() || !now.ModTime().Equal(f.stat.ModTime()) {
		return fmt.Errorf("%s: %w: it was written to", f.path, ErrChangedWhileReading)
	}
	there, err := os.Lstat(f.path)
	if err != nil {
		return vanished(err)
	}
	if !os.SameFile(there, now) {
		return fmt.Errorf("%s: %w: it was replaced", f.path, ErrChangedWhileReading)
	}
	return nil
}

// abandon ends a file after an error, when no worker holds it any more.
func (f *fileImport) abandon(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.close(cause) // the cause is what gets reported
}

func (f *fileImport) close(cause error) error {
	if f.closed {
		return nil
	}
	f.closed = true
	err := f.file.Close()
	if f.sink == nil {
		return err
	}
	f.im.sinkMu.Lock()
	defer f.im.sinkMu.Unlock()
	return errors.Join(f.sink.Close(cause), err)
}
