package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	memTableBytes = 4 << 20 // of entries that Pebble holds before it writes a table
	// maxUnwritten is how many bytes of entries may wait to be written as tables
	// before commits wait for that too.
	maxUnwritten = 32 << 20
	// maxFailures is how many times in a row Pebble may fail to write, for other
	// reasons than a full disk, before the index is given up. It tries again at
	// once, and would for ever.
	maxFailures = 16
	// never is a threshold that is not reached.
	never = 1 << 20
)

// index is the part of the index that is on disk: Pebble without a log of its
// own, since the packs are its log. What a crash takes from it is a suffix of
// its commits.
//
// No call waits for a disk that is full: Pebble itself would hold up commits,
// and the request to flush too, until the entries before them are written. So it
// is told never to, and commit bounds what it holds.
type index struct {
	indexConfig
	db  *pebble.DB
	dir string

	// stuck is until when, in nanoseconds since 1970, the disk is to be taken as
	// full: commits wait elsewhere.
	stuck    atomic.Int64
	failures atomic.Int32  // to write, in a row
	failed   atomic.Bool   // damage was seen: to be replaced
	quit     chan struct{} // closed by close

	// fresh is how many bytes were committed since the last flush was asked for;
	// unwritten are those flushes, oldest first. Both are commit's and flush's, of
	// which one runs at a time.
	fresh     int
	unwritten []flushing
}

// flushing is a flush that was asked for.
type flushing struct {
	done  <-chan struct{} // closed when its entries and all before them are in tables
	bytes int             // of entries, in it alone
}

// indexConfig says how an index is kept.
type indexConfig struct {
	fs         vfs.FS
	cacheBytes int64
	// retry is how long Pebble waits between attempts to write to a full disk.
	retry time.Duration
	// release gives up disk space that was reserved for this moment and reports
	// whether there was any.
	release func() bool
	// onFail is called when damage shows; it may not wait for the index.
	onFail func()
}

// openIndex opens or makes the index in dir.
func openIndex(dir string, cfg indexConfig) (x *index, err error) {
	defer func() {
		if p := recover(); p != nil { // a damaged table may break more than promised
			x, err = nil, fmt.Errorf("%w: %v", ErrDamagedIndex, p)
		}
	}()
	x = &index{dir: dir, indexConfig: cfg, quit: make(chan struct{})}
	cache := pebble.NewCache(cfg.cacheBytes)
	defer cache.Unref()
	o := &pebble.Options{
		Cache:                       cache,
		Comparer:                    comparer(),
		DisableWAL:                  true,
		EventListener:               x.listener(),
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		FS:                          vfs.OnDiskFull(lastingFS{cfg.fs, x}, x.diskFull),
		L0StopWritesThreshold:       never, // a table that cannot be compacted must not stop writers
		Logger:                      fatalLogger{x},
		MaxOpenFiles:                64,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: never, // see admit
	}
	turns := newCompactions()
	o.Experimental.CompactionScheduler = turns
	o.Experimental.FileCacheShards = 1
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	if x.db, err = pebble.Open(dir, o); err != nil {
		if isDiskFull(err) {
			return nil, diskError("open", dir, err)
		}
		return nil, fmt.Errorf("%w: %s: %w", ErrDamagedIndex, filepath.Base(dir), err)
	}
	turns.release()
	return x, nil
}

// comparer orders keys by their bytes. The prefix, by which Pebble's filters
// skip tables, is the whole key but for a block's location, where it is
// everything before the file id.
func comparer() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "ringswap.store.1"
	c.Split = func(k []byte) int {
		if len(k) > 1 && k[0] == keyBlock {
			if n := hashLen(k[1:]); n > 0 {
				return 1 + n
			}
		}
		return len(k)
	}
	return &c
}

func (x *index) listener() *pebble.EventListener {
	wrote := func(err error) {
		if err == nil {
			x.stuck.Store(0)
			x.failures.Store(0)
		}
	}
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			switch {
			case pebble.IsCorruptionError(err):
				x.fail()
			case !isDiskFull(err) && x.failures.Add(1) >= maxFailures:
				x.fail()
			}
		},
		DataCorruption: func(pebble.DataCorruptionInfo) { x.fail() },
		FlushEnd:       func(i pebble.FlushInfo) { wrote(i.Err) },
		CompactionEnd:  func(i pebble.CompactionInfo) { wrote(i.Err) },
	}
}

func (x *index) fail() {
	if x.failed.CompareAndSwap(false, true) {
		x.onFail()
	}
}

// diskFull is called by the file system before it tries a write again.
func (x *index) diskFull() {
	if x.release() {
		return
	}
	// For longer than the wait, since the next attempt may fail as well; but not
	// for good, since there may be no further one that succeeds and says so.
	x.stuck.Store(time.Now().Add(3 * x.retry).UnixNano())
	t := time.NewTimer(x.retry)
	defer t.Stop()
	select {
	case <-t.C:
	case <-x.quit:
	}
}

// full reports whether nobody should wait for the index to be written: the disk
// is full, or the index is of no use any more.
func (x *index) full() bool { return x.failed.Load() || time.Now().UnixNano() < x.stuck.Load() }

// fatalLogger keeps Pebble from ending the process: an index can be replaced. It
// goes on, but see lastingFS.
type fatalLogger struct{ x *index }

func (fatalLogger) Infof(string, ...any)    {}
func (fatalLogger) Errorf(string, ...any)   {}
func (l fatalLogger) Fatalf(string, ...any) { l.x.fail() }

// damaged turns an error of Pebble into ErrDamagedIndex.
func (x *index) damaged(err error) error {
	x.fail()
	return fmt.Errorf("%w: %w", ErrDamagedIndex, err)
}

// get returns the value of a key in memory of its own, nil if there is none.
func (x *index) get(key string) ([]byte, error) {
	v, c, err := x.db.Get([]byte(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, x.damaged(err)
	}
	v = append(make([]byte, 0, len(v)), v...)
	if err := c.Close(); err != nil {
		return nil, x.damaged(err)
	}
	return v, nil
}

// under calls f for the entries of one block from key on, until f says stop.
// Prefix is what they have in common. Slices are valid during the call only.
func (x *index) under(prefix, key []byte, f func(k, v []byte) (more bool)) error {
	return x.iterate(&pebble.IterOptions{KeyTypes: pebble.IterKeyTypePointsOnly}, func(it *pebble.Iterator) bool {
		if len(key) > len(prefix) {
			// Within one prefix SeekPrefixGE finds keys from the given one on.
			return it.SeekPrefixGE(key)
		}
		return it.SeekPrefixGE(prefix)
	}, f)
}

// look calls f with a function that is like under, over one view of the index: a
// lookup in it costs a fraction of what under does.
func (x *index) look(f func(under func(prefix, key []byte, each func(k, v []byte) (more bool)) error) error) error {
	it, err := x.db.NewIter(&pebble.IterOptions{KeyTypes: pebble.IterKeyTypePointsOnly})
	if err != nil {
		return x.damaged(err)
	}
	err = f(func(prefix, key []byte, each func(k, v []byte) bool) error {
		return x.walk(it, func(it *pebble.Iterator) bool { return it.SeekPrefixGE(key) }, each)
	})
	if cerr := it.Close(); err == nil && cerr != nil {
		err = x.damaged(cerr)
	}
	return err
}

// scan calls f for the entries from..to, from included, until f says stop.
func (x *index) scan(from, to []byte, f func(k, v []byte) (more bool)) error {
	return x.iterate(&pebble.IterOptions{LowerBound: from, UpperBound: to}, (*pebble.Iterator).First, f)
}

func (x *index) iterate(o *pebble.IterOptions, seek func(*pebble.Iterator) bool, f func(k, v []byte) bool) error {
	it, err := x.db.NewIter(o)
	if err != nil {
		return x.damaged(err)
	}
	err = x.walk(it, seek, f)
	if cerr := it.Close(); err == nil && cerr != nil {
		err = x.damaged(cerr)
	}
	return err
}

// walk calls f for the entries from where seek leads, until f says stop.
func (x *index) walk(it *pebble.Iterator, seek func(*pebble.Iterator) bool, f func(k, v []byte) bool) error {
	for ok := seek(it); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return x.damaged(err)
		}
		if !f(it.Key(), v) {
			return nil
		}
	}
	if err := it.Error(); err != nil {
		return x.damaged(err)
	}
	return nil
}

// commit puts a layer and the index's state in, in one piece. It reports false,
// and has done nothing, if the disk is full.
func (x *index) commit(l *layer, m meta) (bool, error) {
	if ok, err := x.admit(); !ok || err != nil {
		return false, err
	}
	b := x.db.NewBatchWithSize(96 * (len(l.kv) + 1))
	err := b.Set([]byte{keyMeta}, m.value(), nil)
	for k, v := range l.kv {
		if err != nil {
			break
		}
		if v == nil {
			err = b.Delete([]byte(k), nil)
		} else {
			err = b.Set([]byte(k), v, nil)
		}
	}
	if err == nil {
		x.fresh += b.Len()
		err = b.Commit(pebble.NoSync)
	}
	if err != nil {
		_ = b.Close() // the first error is the one to tell
		return false, x.damaged(err)
	}
	return true, b.Close()
}

// admit waits while too much of what was committed is not written yet, and
// reports false if the disk is too full to wait for that.
func (x *index) admit() (bool, error) {
	if x.failed.Load() {
		return false, ErrDamagedIndex
	}
	if x.full() {
		return false, nil
	}
	if x.fresh >= memTableBytes {
		if err := x.startFlush(); err != nil {
			return false, err
		}
	}
	sum := 0
	for _, f := range x.unwritten {
		sum += f.bytes
	}
	for sum > maxUnwritten {
		if !x.await(x.unwritten[0].done) {
			return false, nil
		}
		sum -= x.unwritten[0].bytes
		x.unwritten = x.unwritten[1:]
	}
	return true, nil
}

// startFlush has everything that was committed written to tables.
func (x *index) startFlush() error {
	done, err := x.db.AsyncFlush()
	if err != nil {
		return err
	}
	x.unwritten = append(x.unwritten, flushing{done, x.fresh})
	x.fresh = 0
	for len(x.unwritten) > 0 { // forget those that are done
		select {
		case <-x.unwritten[0].done:
			x.unwritten = x.unwritten[1:]
			continue
		default:
		}
		break
	}
	return nil
}

// await waits for a flush and reports false if it may never end.
func (x *index) await(done <-chan struct{}) bool {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-done:
			return true
		case <-t.C:
			if x.full() {
				return false
			}
		}
	}
}

// flush writes out what was committed, so that the next open has nothing to
// replay. It gives up when the disk is full: the packs have everything.
func (x *index) flush() error {
	if x.full() {
		return nil
	}
	if err := x.startFlush(); err != nil {
		return err
	}
	if n := len(x.unwritten); n > 0 && x.await(x.unwritten[n-1].done) {
		x.unwritten = nil
	}
	return nil
}

func (x *index) close() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: closing: %v", ErrDamagedIndex, p)
		}
	}()
	close(x.quit)
	return x.db.Close()
}
