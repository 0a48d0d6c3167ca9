package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// packLog is the store's truth: all pack files, in the order of their numbers,
// as one append-only log of records. Only the last pack is written to.
//
// append, rotate and removePack need the store's write lock; readAt and sync
// need none.
type packLog struct {
	dir     string
	maxPack int64
	handles *handles[struct{}]

	mu     sync.RWMutex
	packs  map[uint32]*pack
	active *pack
	out    *os.File // the active pack, for writing

	end      logPos // where the next record goes; under the store's write lock
	marked   bool   // a mark of durable was appended since the last sync; likewise
	buf      []byte // for appending; likewise
	durable  atomic.Uint64
	failed   atomic.Pointer[error] // set for good by a failed sync
	appended atomic.Int64          // bytes appended and not yet synced
}

// pack is one pack file.
type pack struct {
	head packHead
	path string
	size int64 // of a sealed pack; the active one ends at packLog.end
}

// errPackGone is returned for a place in a pack that was removed meanwhile: what
// was there has moved.
var errPackGone = errors.New("store: pack was removed")

// listPacks returns the numbers of the pack files in dir, ascending.
func listPacks(dir string) ([]uint32, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []uint32
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".pack")
		n, err := strconv.ParseUint(digits, 10, 32)
		if ok && err == nil && n > 0 && packName(uint32(n)) == e.Name() {
			all = append(all, uint32(n))
		}
	}
	slices.Sort(all)
	return all, nil
}

// createPack makes the file of an empty pack, durably.
func createPack(dir string, number uint32) (*pack, *os.File, error) {
	p := &pack{path: filepath.Join(dir, packName(number)), size: packHeadLen}
	p.head = packHead{number: number, created: time.Now().UnixNano()}
	for p.head.mark == (marker{}) {
		if _, err := rand.Read(p.head.mark[:]); err != nil {
			return nil, nil, err
		}
	}
	f, err := os.OpenFile(p.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, diskError("create", p.path, err)
	}
	if _, err = f.WriteAt(p.head.bytes(), 0); err == nil {
		if err = f.Sync(); err == nil {
			err = syncDir(dir)
		}
	}
	if err != nil {
		_ = f.Close()         // the first error is the one to tell
		_ = os.Remove(p.path) // likewise
		return nil, nil, diskError("create", p.path, err)
	}
	return p, f, nil
}

// diskError wraps an error of writing to the store's own files.
func diskError(op, path string, err error) error {
	if isDiskFull(err) {
		return fmt.Errorf("store: %s %s: %w: %w", op, path, ErrDiskFull, err)
	}
	return fmt.Errorf("store: %s %s: %w", op, path, err)
}

// logRecord is a record that is to be appended.
type logRecord struct {
	typ  recordType
	key  string
	body []byte
}

func (r logRecord) size() int64 { return int64(frameLen + len(r.key) + len(r.body)) }

// append adds records to the end of the log, without gaps and all of them or
// none, and returns the place of the first. Nothing is durable before the next
// sync. After an error the log is as it was.
func (l *packLog) append(recs ...logRecord) (logPos, error) {
	if err := l.failure(); err != nil {
		return 0, err
	}
	need := int64(frameLen + 16) // a mark
	for _, r := range recs {
		need += r.size()
	}
	if l.end.off()+need > l.maxPack && l.end.off() > packHeadLen {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	b, at := l.buf[:0], l.end
	if !l.marked {
		b = appendRecord(b, l.active.head.mark, at, recMark, "", markBody{logPos(l.durable.Load())}.encode())
		at += logPos(len(b))
	}
	pos := at
	for _, r := range recs {
		b = appendRecord(b, l.active.head.mark, pos, r.typ, r.key, r.body)
		pos += logPos(r.size())
	}
	if cap(b) <= maxRecordLen {
		l.buf = b
	}
	if _, err := l.out.WriteAt(b, l.end.off()); err != nil {
		// What was written is overwritten by the next record; cutting it off only
		// spares the next Open the work.
		_ = l.out.Truncate(l.end.off())
		return 0, diskError("write", l.active.path, err)
	}
	l.marked = true
	l.end = pos
	l.appended.Add(int64(len(b)))
	return at, nil
}

// rotate seals the active pack and begins the next one. Only the last pack can
// ever have an unsynced tail, since the others are synced here.
func (l *packLog) rotate() error {
	if err := l.failure(); err != nil {
		return err
	}
	if err := l.out.Sync(); err != nil {
		return l.fail(diskError("sync", l.active.path, err))
	}
	l.durable.Store(uint64(l.end))
	next, f, err := createPack(l.dir, l.active.head.number+1)
	if err != nil {
		return err
	}
	_ = l.out.Close() // synced
	l.mu.Lock()
	l.active.size = l.end.off()
	l.packs[next.head.number] = next
	l.active, l.out = next, f
	l.mu.Unlock()
	l.end = posOf(next.head.number, packHeadLen)
	l.durable.Store(uint64(l.end))
	l.appended.Store(0)
	l.marked = true // the new pack says it by being there
	return nil
}

// sync makes everything before pos durable, where pos was the end of the log
// and out its file when they were taken under the write lock.
func (l *packLog) sync(pos logPos, out *os.File) error {
	if err := l.failure(); err != nil {
		return err
	}
	if logPos(l.durable.Load()) >= pos {
		return nil
	}
	if err := out.Sync(); err != nil {
		if errors.Is(err, os.ErrClosed) && logPos(l.durable.Load()) >= pos {
			return nil // sealed meanwhile, which has synced it
		}
		return l.fail(diskError("sync", out.Name(), err))
	}
	for {
		d := l.durable.Load()
		if logPos(d) >= pos || l.durable.CompareAndSwap(d, uint64(pos)) {
			return nil
		}
	}
}

// fail stops all writing. After a failed fsync the kernel may have dropped the
// pages, so that a later fsync would succeed and mean nothing.
func (l *packLog) fail(err error) error {
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	l.failed.CompareAndSwap(nil, &err)
	return err
}

func (l *packLog) failure() error {
	if err := l.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// readAt fills p from a place in the log, or returns errPackGone.
func (l *packLog) readAt(p []byte, number uint32, off int64) error {
	l.mu.RLock()
	pk := l.packs[number]
	l.mu.RUnlock()
	if pk == nil {
		return errPackGone
	}
	h, err := l.handles.acquire(uint64(number), func() (*os.File, struct{}, error) {
		f, err := os.Open(pk.path)
		return f, struct{}{}, err
	})
	if errors.Is(err, os.ErrNotExist) {
		return errPackGone
	}
	if err != nil {
		return err
	}
	defer l.handles.release(h)
	_, err = h.f.ReadAt(p, off)
	return err
}

// get returns a pack, nil if there is none of that number.
func (l *packLog) get(number uint32) *pack {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.packs[number]
}

// numbers returns the numbers of all packs, ascending.
func (l *packLog) numbers() []uint32 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := make([]uint32, 0, len(l.packs))
	for n := range l.packs {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// anyBetween reports whether a pack other than but is numbered from..to.
func (l *packLog) anyBetween(from, to, but uint32) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for n := range l.packs {
		if n >= from && n <= to && n != but {
			return true
		}
	}
	return false
}

// diskBytes is what the sealed packs take, and the active one up to its end.
func (l *packLog) diskBytes() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var n int64
	for _, p := range l.packs {
		if p == l.active {
			n += l.end.off()
		} else {
			n += p.size
		}
	}
	return n
}

// take takes a sealed pack out of the log. Its file stays until unlink.
func (l *packLog) take(number uint32) *pack {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.packs[number]
	delete(l.packs, number)
	return p
}

// unlink removes the file of a pack that was taken out, once its last reader is
// done with it.
func (l *packLog) unlink(p *pack) {
	l.handles.forget(uint64(p.head.number), func() {
		_ = os.Remove(p.path) // what remains is removed by the next Open
	})
}

func (l *packLog) close() error {
	l.handles.close()
	if l.out == nil {
		return nil
	}
	return l.out.Close()
}

// putBack undoes take.
func (l *packLog) putBack(p *pack) {
	l.mu.Lock()
	l.packs[p.head.number] = p
	l.mu.Unlock()
}
