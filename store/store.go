package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/ipfs/go-cid"
)

// Store is an open block store. All methods may be called from any number of
// goroutines at once; after Close they return ErrClosed.
type Store struct {
	dir     string
	cfg     Config
	lock    *dirLock
	log     *packLog
	files   *handles[fileBody]
	reserve *reserve
	notices noticeBoard
	life    lifetime
	quota   atomic.Int64

	// t is replaced, under writing, when the index is.
	t atomic.Pointer[tables]
	// writing is held by whoever appends to the log or changes the tables: never
	// during an fsync, but for the rare one that seals a pack.
	writing sync.Mutex
	// syncing is a semaphore of one for whoever makes the log durable and commits
	// to the index. It is taken before writing.
	syncing chan struct{}

	gc   collector
	bad  badSet
	subs struct { // under writing
		holds     map[*Batch]uint64 // to the epoch it was begun in
		importing map[uint64]int    // how many imports write to a file id
	}
}

// Open opens the store in dir, making it if there is none, and takes it for
// this process alone: ErrLocked if another has it. A store that was not closed,
// as after a crash, is put in order first. What there is to tell about that is
// in [Store.Notices].
func Open(dir string, cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, cfg: cfg.withDefaults(), syncing: make(chan struct{}, 1)}
	s.life.quit = make(chan struct{})
	s.quota.Store(cfg.Quota)
	s.notices.notify = cfg.Notify
	s.gc.init()
	s.subs.holds, s.subs.importing = map[*Batch]uint64{}, map[uint64]int{}
	s.files = newHandles[fileBody](s.cfg.OpenFiles, s.cfg.IdleClose)
	if err := os.MkdirAll(s.packDir(), 0o700); err != nil {
		return nil, diskError("make", dir, err)
	}
	if s.lock, err = lockDir(dir, s.cfg.Owner); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.shut())
	}
	return s, nil
}

func (s *Store) packDir() string { return filepath.Join(s.dir, "packs") }

func (s *Store) open() error {
	s.reserve = openReserve(filepath.Join(s.dir, "reserve"), s.cfg.ReserveBytes, func() {
		s.notices.post(Notice{Kind: ReserveUsed, Path: s.dir, Detail: "the disk is full"})
	})
	s.log = &packLog{
		dir: s.packDir(), maxPack: s.cfg.PackBytes, marked: true,
		handles: newHandles[struct{}](s.cfg.OpenFiles, 0),
	}
	return s.putInOrder()
}

// Close makes everything durable, and closes. It waits for running calls,
// which garbage collection, verification and syncs end soon after. The first
// call's error says whether all was saved.
func (s *Store) Close() error {
	if !s.life.end() {
		return nil
	}
	err := s.flushAll(context.Background())
	if t := s.t.Load(); err == nil {
		if ferr := t.disk((*index).flush); ferr != nil && !indexTrouble(ferr) {
			err = ferr
		}
	}
	return errors.Join(err, s.shut())
}

// shut gives up whatever is open.
func (s *Store) shut() (err error) {
	s.files.close()
	if t := s.t.Load(); t != nil {
		// What a damaged index or a full disk keeps from being saved there, the packs have.
		if cerr := t.close(); cerr != nil && !errors.Is(cerr, ErrDamagedIndex) && !isDiskFull(cerr) {
			err = cerr
		}
	}
	if s.log != nil {
		err = errors.Join(err, s.log.close())
	}
	return errors.Join(err, s.lock.unlock())
}

// errSwapped is returned from tables that were replaced meanwhile.
var errSwapped = errors.New("store: index was replaced")

// read runs f on the tables. If the index turns out to be damaged it is made
// anew from the packs, and f runs once more.
func (s *Store) read(f func(*tables) error) error {
	if err := s.life.enter(); err != nil {
		return err
	}
	defer s.life.calls.Done()
	return s.healing(f)
}

func (s *Store) healing(f func(*tables) error) error {
	for try := 0; ; try++ {
		t := s.t.Load()
		err := f(t)
		if err == nil || try == 3 || !indexTrouble(err) {
			return err
		}
		if err := s.heal(t); err != nil {
			return err
		}
	}
}

func indexTrouble(err error) bool {
	return errors.Is(err, ErrDamagedIndex) || errors.Is(err, errSwapped) || errors.Is(err, errValue)
}

// write is read with the write lock held, for f that appends and applies. It
// makes the log durable now and then, so that memory is bounded and a Sync
// short.
func (s *Store) write(f func(*tables) error) error {
	if err := s.life.enter(); err != nil {
		return err
	}
	defer s.life.calls.Done()
	full := false
	err := s.healing(func(*tables) error {
		s.writing.Lock()
		defer s.writing.Unlock()
		t := s.t.Load() // the one that appends go to
		err := f(t)
		full = s.log.appended.Load() > maxUnsynced || t.pending() > maxPending
		return err
	})
	if err == nil && full {
		err = s.flushAll(context.Background())
	}
	return err
}

const (
	maxUnsynced = 64 << 20 // bytes of log
	maxPending  = 8 << 10  // index entries
)

// record appends a record and applies it. Needed says that the disk reserve may
// be used for it, since it leads to more room. The caller holds the write lock.
func (s *Store) record(t *tables, typ recordType, key string, body []byte, needed bool) error {
	rec := logRecord{typ: typ, key: key, body: body}
	pos, err := s.log.append(rec)
	if needed && errors.Is(err, ErrDiskFull) && s.reserve.release() {
		pos, err = s.log.append(rec)
	}
	if err != nil {
		return err
	}
	return t.applyNew(rec, pos)
}

// records appends records and applies them, all or none. The caller holds the write
// lock.
func (s *Store) records(t *tables, recs []logRecord) error {
	if len(recs) == 0 {
		return nil
	}
	pos, err := s.log.append(recs...)
	if err != nil {
		return err
	}
	for _, rec := range recs {
		if err := t.applyNew(rec, pos); err != nil {
			return err
		}
		pos += logPos(rec.size())
	}
	return nil
}

// applyNew applies a record that was appended at pos.
func (t *tables) applyNew(rec logRecord, pos logPos) error {
	f := frame{typ: rec.typ, key: []byte(rec.key), length: len(rec.body)}
	err := t.apply(record{frame: f, pos: pos, body: rec.body})
	if errors.Is(err, errBody) {
		return fmt.Errorf("store: record is not readable back: %w", err)
	}
	return err // of the index, which will be rebuilt with this record
}

// Usage is how much the store holds, in bytes.
type Usage struct {
	Owned int64 // owned blocks, without garbage
	Quota int64 // what Owned may be; 0: no limit
	Disk  int64 // pack files, with their garbage
	Packs int   // how many pack files
}

// Usage returns how much the store holds.
func (s *Store) Usage() (u Usage, err error) {
	err = s.read(func(*tables) error {
		s.writing.Lock()
		defer s.writing.Unlock()
		u = Usage{Owned: s.t.Load().m.owned, Quota: s.quota.Load(), Disk: s.log.diskBytes(), Packs: len(s.log.numbers())}
		return nil
	})
	return u, err
}

// SetQuota changes [Config.Quota] for this process. It does not make room.
func (s *Store) SetQuota(bytes int64) { s.quota.Store(max(bytes, 0)) }

// Notices returns what there was to report since Open, oldest first, the
// latest 64 at most.
func (s *Store) Notices() []Notice { return s.notices.all() }

// noticeBoard keeps the latest notices.
type noticeBoard struct {
	notify func(Notice)
	mu     sync.Mutex
	list   []Notice
}

func (b *noticeBoard) post(n Notice) {
	b.mu.Lock()
	if len(b.list) == 64 {
		b.list = b.list[1:]
	}
	b.list = append(b.list, n)
	b.mu.Unlock()
	if b.notify != nil {
		b.notify(n)
	}
}

func (b *noticeBoard) all() []Notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Notice(nil), b.list...)
}

// badSet remembers owned blocks that were seen damaged, by place, so that Put
// stores them again instead of finding them there already.
type badSet struct {
	mu  sync.RWMutex
	pos map[logPos]struct{}
}

const maxBad = 1 << 16

func (b *badSet) add(pos logPos) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pos == nil {
		b.pos = map[logPos]struct{}{}
	}
	if len(b.pos) < maxBad {
		b.pos[pos] = struct{}{}
	}
}

func (b *badSet) has(pos logPos) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, ok := b.pos[pos]
	return ok
}

// notFound is ErrNotFound for a block.
func notFound(c cid.Cid) error { return fmt.Errorf("store: block %s: %w", c, ErrNotFound) }
