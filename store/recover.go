package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// putInOrder puts the store in order at Open: it finds the end of the log, and
// brings the index up to it, or makes a new one.
func (s *Store) putInOrder() error {
	on, err := listPacks(s.log.dir)
	if err != nil {
		return err
	}
	idx, m, why, err := s.latestIndex(on)
	if err != nil {
		return err
	}
	if idx != nil {
		on = s.removeOrphans(on, m)
	}
	if err := s.openLog(on, m.applied); err != nil {
		if idx != nil {
			_ = idx.close() // the first error is the one to tell
		}
		return err
	}
	if idx != nil && m.applied <= s.log.end {
		t := newTables(idx, m)
		t.m.epoch++ // what the last process held is held no more
		retired, err := s.replay(t, m.applied)
		if err == nil {
			s.t.Store(t)
			s.removeRetired(retired)
			return nil
		}
		_ = t.close() // the first error is the one to tell
		if !indexTrouble(err) {
			return err
		}
		idx, why = nil, err.Error()
	}
	if idx != nil {
		_ = idx.close() // it is replaced
		why = "it is ahead of the packs"
	}
	t, retired, err := s.rebuild(m)
	if err != nil {
		return err
	}
	s.t.Store(t)
	for _, n := range lostPacks(m, on) {
		if !slices.Contains(retired, n) {
			s.notices.post(Notice{Kind: PackMissing, Path: filepath.Join(s.log.dir, packName(n))})
		}
	}
	s.removeRetired(retired)
	if why != "" {
		s.notices.post(Notice{Kind: IndexRebuilt, Path: t.idx.dir, Detail: why})
	}
	return nil
}

// latestIndex opens the newest index folder. Without error, idx is nil if it is
// of no use, and why says so unless there never was one; m is what could be
// read of its state.
func (s *Store) latestIndex(on []uint32) (idx *index, m meta, why string, err error) {
	n, err := s.indexFolders()
	if err != nil {
		return nil, meta{}, "", err
	}
	if len(n) == 0 {
		if len(on) > 0 {
			why = "it was gone"
		}
		return nil, meta{}, why, nil
	}
	idx, err = s.openIndex(n[len(n)-1])
	if errors.Is(err, ErrDiskFull) {
		return nil, meta{}, "", err
	}
	if err != nil {
		return nil, meta{}, err.Error(), nil
	}
	v, err := idx.get(string(rune(keyMeta)))
	if err == nil && v == nil {
		err = errors.New("it was never finished")
	}
	if err == nil {
		if m, err = parseMeta(v); err != nil {
			m = meta{}
		}
	}
	if err == nil && len(lostPacks(m, on)) > 0 {
		err = fmt.Errorf("it is from when %s was there", packName(lostPacks(m, on)[0]))
	}
	if err != nil {
		_ = idx.close() // it is replaced
		return nil, m, err.Error(), nil
	}
	return idx, m, "", nil
}

// lostPacks are the packs that the index counts on and that are not there.
func lostPacks(m meta, on []uint32) []uint32 {
	return slices.DeleteFunc(slices.Clone(m.packs), func(n uint32) bool { return slices.Contains(on, n) })
}

const indexPrefix = "index."

// indexFolders returns the numbers of the index folders, ascending.
func (s *Store) indexFolders() (all []uint64, err error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), indexPrefix)
		if n, err := strconv.ParseUint(digits, 10, 64); ok && err == nil {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

func (s *Store) indexDir(n uint64) string {
	return filepath.Join(s.dir, indexPrefix+strconv.FormatUint(n, 10))
}

func (s *Store) openIndex(n uint64) (*index, error) {
	return openIndex(s.indexDir(n), indexConfig{
		fs: vfs.Default, cacheBytes: s.cfg.IndexCacheBytes, retry: time.Second,
		release: s.reserve.release, onFail: s.indexFailed,
	})
}

// indexFailed is called when the index shows damage in the background.
func (s *Store) indexFailed() {
	if s.life.enter() != nil {
		return
	}
	go func() { // Close waits for it
		defer s.life.calls.Done()
		t := s.t.Load()
		if t == nil { // still opening, which will see for itself
			return
		}
		if err := t.disk(func(*index) error { return nil }); indexTrouble(err) {
			_ = s.heal(t) // the next call that needs the index tries again and tells
		}
	}()
}

// removeOrphans deletes packs that had been emptied but not yet removed: the
// index is past them and does not count them any more.
func (s *Store) removeOrphans(on []uint32, m meta) []uint32 {
	return slices.DeleteFunc(on, func(n uint32) bool {
		orphan := n < m.applied.pack() && !slices.Contains(m.packs, n)
		if orphan {
			_ = os.Remove(filepath.Join(s.log.dir, packName(n))) // tried again by the next Open
		}
		return orphan
	})
}

// removeRetired does the same for those that the replay of the log named.
func (s *Store) removeRetired(retired []uint32) {
	for _, n := range retired {
		if p := s.log.get(n); p != nil && p != s.log.active { // its file had stayed
			s.log.unlink(s.log.take(n))
		}
	}
}

// openLog opens the packs, finds the end of the last one, and cuts off what
// was not completed there. Everything before durable is known to have been synced.
func (s *Store) openLog(on []uint32, durable logPos) error {
	l := s.log
	l.packs = map[uint32]*pack{}
	for i, n := range on {
		p, err := s.openPack(n, i == len(on)-1)
		if err != nil {
			return err
		}
		if p != nil {
			l.packs[n] = p
		}
	}
	if len(on) == 0 {
		on = []uint32{0}
	}
	last := l.packs[on[len(on)-1]]
	if last == nil || last.head.mark == (marker{}) { // none, or one that cannot be written on
		p, f, err := createPack(l.dir, on[len(on)-1]+1)
		if err != nil {
			return err
		}
		l.packs[p.head.number], l.active, l.out = p, p, f
		l.end = posOf(p.head.number, packHeadLen)
		l.durable.Store(uint64(l.end))
		return nil
	}
	f, err := os.OpenFile(last.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	l.active, l.out = last, f
	end, err := s.cutTail(last, f, durable)
	if err != nil {
		return err
	}
	l.end = posOf(last.head.number, end)
	l.durable.Store(uint64(l.end))
	l.marked = false
	return nil
}

// openPack looks at a pack's header. A last pack that never got its header is
// removed; nil is returned for it.
func (s *Store) openPack(n uint32, last bool) (*pack, error) {
	p := &pack{path: filepath.Join(s.log.dir, packName(n)), head: packHead{number: n}}
	f, err := os.Open(p.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	p.size = st.Size()
	scan, err := openScanner(f, p.size, n)
	switch {
	case err == nil:
		p.head = scan.head
	case !errors.Is(err, errFrame):
		return nil, err
	case last && p.size <= packHeadLen:
		return nil, os.Remove(p.path)
	default:
		s.notices.post(Notice{Kind: PackDamaged, Path: p.path, Length: p.size, Detail: "its header is unreadable"})
	}
	return p, nil
}

// cutTail finds the end of the last pack. Before the last place that is known
// to have been durable, what is unreadable is damage, to be skipped; after it,
// the first unreadable byte is where the last process or the power stopped.
func (s *Store) cutTail(p *pack, f *os.File, durable logPos) (end int64, err error) {
	from := int64(packHeadLen)
	if durable.pack() == p.head.number {
		from = max(from, durable.off())
	}
	if from > p.size {
		s.notices.post(Notice{Kind: PackDamaged, Path: p.path, Offset: p.size, Length: from - p.size, Detail: "it is shorter than it was"})
		from = packHeadLen
	}
	sc := &scanner{r: f, head: p.head, size: p.size, off: from}
	for {
		rec, err := sc.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if rec.typ != recMark {
			continue
		}
		if m, err := parseMarkBody(rec.body); err == nil && m.durable.pack() == p.head.number && m.durable < rec.pos {
			from = max(from, m.durable.off())
		}
	}
	sc = &scanner{r: f, head: p.head, size: p.size, off: from, checkBlocks: true}
	for err == nil && len(sc.damage) == 0 {
		_, err = sc.next()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	end = p.size
	if len(sc.damage) > 0 {
		end = sc.damage[0].from
		s.notices.post(Notice{Kind: TailCut, Path: p.path, Offset: end, Length: p.size - end})
		if err := f.Truncate(end); err != nil {
			return 0, diskError("truncate", p.path, err)
		}
	}
	if err := f.Sync(); err != nil {
		return 0, diskError("sync", p.path, err)
	}
	return end, nil
}
