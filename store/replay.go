package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// replay applies the log from a place on, and commits as it goes. It returns
// the packs that the log says are retired.
func (s *Store) replay(t *tables, from logPos) (retired []uint32, err error) {
	for _, n := range s.log.numbers() {
		if n < from.pack() {
			continue
		}
		off := int64(packHeadLen)
		if n == from.pack() {
			off = max(off, from.off())
		}
		gone, err := s.replayPack(t, s.log.get(n), off)
		if err != nil {
			return nil, err
		}
		retired = append(retired, gone...)
	}
	if err := t.forgetPacks(retired); err != nil {
		return nil, err
	}
	t.seal(s.log.end, s.log.numbers())
	if err := t.commit(); err != nil {
		return nil, err
	}
	return retired, nil
}

// forgetPacks takes away what is only in packs that are retired: what was live
// in them is elsewhere, and the drops of the rest may be gone already.
func (t *tables) forgetPacks(retired []uint32) error {
	if len(retired) == 0 {
		return nil
	}
	for _, kind := range []rune{keyBlock, keyFile, keyRoot, keyPin} {
		for from := string(kind); from != ""; {
			page, next, err := t.page(string(kind), from)
			if err != nil {
				return err
			}
			for _, e := range page {
				pos, _, _, err := parseStamp(e.v)
				if err != nil {
					return err
				}
				if slices.Contains(retired, pos.pack()) {
					if err := t.drop(dropEntry{key: e.key, at: ^logPos(0)}); err != nil {
						return err
					}
				}
			}
			from = next
		}
	}
	return nil
}

func (s *Store) replayPack(t *tables, p *pack, off int64) (retired []uint32, err error) {
	if p.head.mark == (marker{}) {
		return nil, nil // unreadable, and said so
	}
	f, err := os.Open(p.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := p.size
	if p == s.log.active {
		size = s.log.end.off()
	}
	sc := &scanner{r: f, head: p.head, size: size, off: off}
	for {
		rec, err := sc.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = t.apply(rec)
		}
		if errors.Is(err, errBody) {
			sc.noteDamage(rec.pos.off(), rec.pos.off()+rec.size())
			continue
		}
		if err != nil {
			return nil, err
		}
		if rec.typ == recPack {
			if m, err := parsePackBody(rec.body); err == nil && m.state == packRetired {
				retired = append(retired, m.pack)
			}
		}
		if t.pending() >= maxPending {
			t.seal(posOf(p.head.number, sc.off), s.log.numbers())
			if err := t.commit(); err != nil {
				return nil, err
			}
		}
	}
	for _, d := range sc.damage {
		s.notices.post(Notice{Kind: PackDamaged, Path: p.path, Offset: d.from, Length: d.to - d.from})
	}
	return retired, nil
}

// rebuild makes a new index from the packs and moves older ones aside. Old is
// what is known of the index's own state.
func (s *Store) rebuild(old meta) (t *tables, retired []uint32, err error) {
	folders, err := s.indexFolders()
	if err != nil {
		return nil, nil, err
	}
	next := uint64(1)
	if len(folders) > 0 {
		next = folders[len(folders)-1] + 1
	}
	idx, err := s.openIndex(next)
	if err != nil {
		return nil, nil, err
	}
	t = newTables(idx, meta{epoch: old.epoch + 1, nextFile: max(old.nextFile, 1)})
	if retired, err = s.replay(t, 0); err != nil {
		_ = t.close() // the first error is the one to tell
		return nil, nil, err
	}
	for _, n := range folders {
		aside := filepath.Join(s.dir, "index-damaged")
		_ = os.RemoveAll(aside) // one is enough to look at
		_ = os.Rename(s.indexDir(n), aside)
	}
	return t, retired, nil
}

// heal replaces a damaged index while the store is in use. Readers that need
// the index wait, and so do writers. Old is the one that was found damaged.
func (s *Store) heal(old *tables) error {
	s.syncing <- struct{}{}
	defer s.endTurn()
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.t.Load() != old {
		return nil // another call has done it
	}
	if err := s.log.sync(s.log.end, s.log.out); err != nil { // the index never runs ahead
		return err
	}
	_ = old.close() // whatever it says: it is thrown away
	t, retired, err := s.rebuild(old.m)
	if err != nil {
		return fmt.Errorf("%w, and cannot be rebuilt: %w", ErrDamagedIndex, err)
	}
	s.t.Store(t)
	s.removeRetired(retired)
	s.notices.post(Notice{Kind: IndexRebuilt, Path: t.idx.dir, Detail: "it was found damaged"})
	return nil
}
