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
	maxMemTables  = 8       // of those that wait to be written: committing more waits with them
	// retryEvery is how long Pebble waits between attempts to write to a full disk.
	retryEvery = time.Second
)

// index is the part of the index that is on disk: Pebble without a log of its
// own, since the packs are its log. What a crash takes from it is a suffix of
// its commits.
type index struct {
	db  *pebble.DB
	dir string

	stuck  atomic.Bool   // the disk is full: commits wait elsewhere
	failed atomic.Bool   // damage was seen: to be replaced
	turn   chan struct{} // has one after a flush ended, or stuck or failed was set
	onFail func()        // called once for it, in a goroutine of Pebble's
	quit   chan struct{} // closed by close
}

// openIndex opens or makes the index in dir. Release gives up disk space that
// was reserved for this moment and reports whether there was any; onFail is
// called when damage shows; it may not wait for the index.
func openIndex(dir string, cacheBytes int64, release func() bool, onFail func()) (*index, error) {
	return openIndexOn(vfs.Default, dir, cacheBytes, release, onFail)
}

func openIndexOn(fs vfs.FS, dir string, cacheBytes int64, release func() bool, onFail func()) (x *index, err error) {
	defer func() {
		if p := recover(); p != nil { // a damaged table may break more than promised
			x, err = nil, fmt.Errorf("%w: %v", ErrDamagedIndex, p)
		}
	}()
	x = &index{dir: dir, onFail: onFail, turn: make(chan struct{}, 1), quit: make(chan struct{})}
	cache := pebble.NewCache(cacheBytes)
	defer cache.Unref()
	o := &pebble.Options{
		Cache:                 cache,
		Comparer:              comparer(),
		DisableWAL:            true,
		EventListener:         x.listener(),
		FormatMajorVersion:    pebble.FormatTableFormatV6,
		FS:                    vfs.OnDiskFull(fs, func() { x.diskFull(release) }),
		L0StopWritesThreshold: 1 << 20, // a table that cannot be compacted must not stop writers
		Logger:                fatalLogger{x},
		MaxOpenFiles:          64,
		MemTableSize:          memTableBytes,
		// A writer that Pebble stops waits for a flush to succeed, which on a full
		// disk none may ever do: room does the waiting instead.
		MemTableStopWritesThreshold: 1 << 20,
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
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if pebble.IsCorruptionError(err) {
				x.fail()
			}
		},
		DataCorruption: func(pebble.DataCorruptionInfo) { x.fail() },
		FlushEnd: func(i pebble.FlushInfo) {
			x.stuck.Store(i.Err != nil)
			x.endTurn()
		},
	}
}

func (x *index) fail() {
	if x.failed.CompareAndSwap(false, true) {
		x.endTurn()
		x.onFail()
	}
}

// endTurn wakes room.
func (x *index) endTurn() {
	select {
	case x.turn <- struct{}{}:
	default:
	}
}

// room waits until Pebble has room in memory for a commit and reports whether
// it has. It gives up when the tables that wait cannot be written: then the
// packs have everything, and what is committed is better kept elsewhere. Only
// one goroutine may call it at a time.
func (x *index) room() bool {
	for !x.stuck.Load() && !x.failed.Load() {
		if x.db.Metrics().MemTable.Size < maxMemTables*memTableBytes {
			return true
		}
		<-x.turn
	}
	return false
}

// diskFull is called by the file system before it tries a write again.
func (x *index) diskFull(release func() bool) {
	if release() {
		return
	}
	x.stuck.Store(true)
	x.endTurn()
	t := time.NewTimer(retryEvery)
	defer t.Stop()
	select {
	case <-t.C:
	case <-x.quit:
	}
}

// fatalLogger keeps Pebble from ending the process: an index can be replaced.
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

// scan calls f for the entries from..to, from included, until f says stop.
func (x *index) scan(from, to []byte, f func(k, v []byte) (more bool)) error {
	return x.iterate(&pebble.IterOptions{LowerBound: from, UpperBound: to}, (*pebble.Iterator).First, f)
}

func (x *index) iterate(o *pebble.IterOptions, seek func(*pebble.Iterator) bool, f func(k, v []byte) bool) error {
	it, err := x.db.NewIter(o)
	if err != nil {
		return x.damaged(err)
	}
	for ok := seek(it); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			_ = it.Close() // repeats the error
			return x.damaged(err)
		}
		if !f(it.Key(), v) {
			break
		}
	}
	if err := it.Close(); err != nil {
		return x.damaged(err)
	}
	return nil
}

// commit puts a layer and the index's state in, in one piece.
func (x *index) commit(l *layer, m meta) error {
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
		err = b.Commit(pebble.NoSync)
	}
	if err != nil {
		_ = b.Close() // the first error is the one to tell
		return x.damaged(err)
	}
	return b.Close()
}

// flush writes out what was committed, so that the next open has nothing to
// replay. It gives up when the disk is full.
func (x *index) flush() error {
	done, err := x.db.AsyncFlush()
	if err != nil {
		return err
	}
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-t.C:
			if x.stuck.Load() || x.failed.Load() {
				return nil // the packs have everything
			}
		}
	}
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
