package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"ringswap/transfer/dag"
)

// TargetConfig says where and how a Target is written.
type TargetConfig struct {
	// Path is where the result belongs. Its folder must exist.
	Path string
	// Force allows to replace what is at Path, and to throw away an unfinished
	// get of something else with the same target.
	Force bool
	// SyncInterval is how long written chunks may wait before they are synced to
	// disk. 0: 1 s.
	SyncInterval time.Duration
	// SyncBytes is how many bytes may wait before they are synced, whatever the
	// interval. 0: 64 MiB.
	SyncBytes int64
	// Workers is the number of goroutines that hash what is there already. 0: one
	// for every core.
	Workers int
	// Checking, if not nil, is called while what is there already is hashed: with
	// the bytes read and those found right, from several goroutines.
	Checking func(read, right int)
}

func (c TargetConfig) withDefaults() TargetConfig {
	if c.SyncInterval == 0 {
		c.SyncInterval = time.Second
	}
	if c.SyncBytes == 0 {
		c.SyncBytes = 64 << 20
	}
	return c
}

// Validate reports what is wrong with the configuration.
func (c TargetConfig) Validate() error {
	if c.Path == "" || c.SyncInterval < 0 || c.SyncBytes < 0 || c.Workers < 0 {
		return fmt.Errorf("transfer: target %+v", c)
	}
	return nil
}

// Target is a file or folder that is being fetched. Beside its final place lie
// NAME.part, which becomes it in the end, and NAME.part.state, which says what
// is in the part. Chunks are written to their final position at once; a
// goroutine syncs them and then records that they are there, so that writers
// never wait for the disk's acknowledgement.
//
// Write, Has, ReadAt, Missing and Sync are safe for concurrent use. Finish or
// Close ends the writing; both leave nothing running.
type Target struct {
	cfg   TargetConfig
	m     *dag.Manifest
	place place
	state *stateFile // nil if the content was there already

	moving sync.RWMutex // held for writing while the part gets its final name
	files  *partFiles   // nil if the content was there already

	syncing sync.Mutex // one sync at a time
	kick    chan struct{}
	stop    chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex // guards what follows
	have    *Bitmap    // verified and written
	durable *Bitmap    // and synced, and recorded so
	dirty   map[int]struct{}
	waiting int64 // bytes written since the last sync
	failed  error // the disk lost something: nothing is accepted any more
	closed  bool
	resumed int64
}

// Manifest is what the target is made from.
func (t *Target) Manifest() *dag.Manifest { return t.m }

// Path is the final place.
func (t *Target) Path() string { return t.place.path }

// Resumed is how many bytes were there when the target was opened.
func (t *Target) Resumed() int64 { return t.resumed }

// Has reports whether chunk i is there.
func (t *Target) Has(i int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.have.Has(i)
}

// Have is a copy of the set of chunks that are there.
func (t *Target) Have() *Bitmap {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.have.Clone()
}

// Complete reports whether every chunk is there.
func (t *Target) Complete() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.have.Full()
}

// Write puts the block of chunk i, which must have been verified against its
// CID, where it belongs. It does not keep block, and does nothing if the chunk
// is there. Errors are dag.ErrMalformed if the DAG lied about the chunk,
// ErrDiskFull, ErrClosed, or the disk's.
func (t *Target) Write(i int, block []byte) error {
	t.mu.Lock()
	has, err := t.have.Has(i), t.usable()
	t.mu.Unlock()
	if has || err != nil {
		return err
	}
	payload, err := dag.Payload(t.m.Chunks[i].Cid, t.m.PayloadSize(i), block)
	if err != nil {
		return err
	}
	for x := range t.m.Extents(i) {
		if err := t.writeAt(x, payload); err != nil {
			return err
		}
	}
	t.written(i)
	return nil
}

// usable is called with mu held.
func (t *Target) usable() error {
	if t.closed {
		return ErrClosed
	}
	return t.failed
}

func (t *Target) writeAt(x dag.Extent, p []byte) error {
	f, err := t.files.use(x.Entry)
	if err != nil {
		return err
	}
	defer t.files.release(f)
	if t.isHole(x.Entry, p) && punchHole(f.file, x.Offset, int64(len(p))) {
		return nil
	}
	return f.write(p, x.Offset)
}

// minHole is the shortest run of zeros that is worth a hole in a file.
const minHole = 64 << 10

var zeros [dag.MaxBlockBytes]byte

// isHole reports whether p can be a hole in the file of an entry: files that
// are written in one go have no length yet.
func (t *Target) isHole(entry int, p []byte) bool {
	return len(p) >= minHole && t.m.Entries[entry].Size > dag.ChunkBytes && bytes.Equal(p, zeros[:len(p)])
}

// written notes that a chunk is in all its places.
func (t *Target) written(i int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.have.Set(i) {
		return
	}
	for x := range t.m.Extents(i) {
		t.dirty[x.Entry] = struct{}{}
		t.waiting += int64(t.m.PayloadSize(i))
	}
	t.state.note(t.have, i)
	if t.waiting < t.cfg.SyncBytes {
		return
	}
	select {
	case t.kick <- struct{}{}:
	default: // it knows
	}
}

// ReadAt fills p with the bytes of chunk i's block from off on, as io.ReaderAt
// does. It fails with fs.ErrNotExist if the chunk is not there, or if the whole
// content was there when the target was opened: then it is not the target's.
func (t *Target) ReadAt(i int, p []byte, off int64) (int, error) {
	t.moving.RLock()
	defer t.moving.RUnlock()
	if !t.Has(i) || t.files == nil {
		return 0, fmt.Errorf("chunk %d: %w", i, fs.ErrNotExist)
	}
	return t.readBlock(i, p, off)
}

// Sync makes what was written so far durable, and the record of it.
func (t *Target) Sync() error {
	t.syncing.Lock()
	defer t.syncing.Unlock()
	t.mu.Lock()
	dirty, snapshot := t.dirty, t.have.Clone()
	t.dirty, t.waiting = make(map[int]struct{}), 0
	err := t.failed
	t.mu.Unlock()
	if err != nil || len(dirty) == 0 {
		return err
	}
	entries := make([]int, 0, len(dirty))
	for e := range dirty {
		entries = append(entries, e)
	}
	slices.Sort(entries)
	if err = t.files.sync(entries); err == nil {
		err = t.state.claim(snapshot)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		// The kernel may have dropped what it could not write, and it says so
		// once. What is not on record as durable is not to be trusted again.
		t.failed = err
		t.state.noteAll(t.durable)
		return err
	}
	t.durable = snapshot
	return nil
}

// syncLoop syncs in the background.
func (t *Target) syncLoop() {
	defer t.running.Done()
	tick := time.NewTicker(t.cfg.SyncInterval)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
		case <-t.kick:
		}
		if t.Sync() != nil {
			return // the next Write reports it
		}
	}
}

// end stops accepting chunks and the background goroutine, and reports whether
// this was the first call.
func (t *Target) end() bool {
	t.mu.Lock()
	was := t.closed
	t.closed = true
	t.mu.Unlock()
	if !was {
		close(t.stop)
	}
	t.running.Wait()
	return !was
}

// Close ends an unfinished target, so that a later one of the same path and
// content resumes it: what was written is synced and recorded first. A part
// without any chunk is removed. No Write may be running. After Finish it only
// releases what Finish kept for ReadAt.
func (t *Target) Close() error {
	var err error
	if t.end() && t.files != nil {
		if err = t.Sync(); err == nil && t.have.Count() == 0 {
			err = t.discard()
		}
	}
	return errors.Join(err, t.release())
}

// Finish puts the complete content at its final place, durably: sync, rename,
// sync of the folder; then the state file goes. It fails with ErrExists if
// something else appeared there meanwhile, and then, as after any error, the
// part is kept and Close is still to be called. Chunks can still be read
// afterwards, until Close.
func (t *Target) Finish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	missing := len(t.m.Chunks) - t.have.Count()
	t.mu.Unlock()
	if missing > 0 {
		return fmt.Errorf("transfer: %d chunks are missing", missing)
	}
	t.end()
	if t.files == nil {
		return nil // it was there already
	}
	return t.finish()
}
