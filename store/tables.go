package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"sync"
)

// tables is the index as the store sees it: the durable part on disk, and up
// to two layers of newer entries over it. Any number of readers may use it;
// set, apply and seal need the store's write lock, commit its sync turn.
type tables struct {
	mu  sync.RWMutex
	cur *layer // takes new entries
	old *layer // sealed, waiting for the log to be durable and the disk to have room; may be nil

	idxMu sync.RWMutex
	idx   *index // nil when closed

	recent recent

	m      meta // as of the last applied record; under the store's write lock
	sealed meta // as of old
}

func newTables(idx *index, m meta) *tables {
	return &tables{cur: newLayer(), idx: idx, m: m}
}

// set puts an entry in; a nil value takes it away.
func (t *tables) set(key string, v []byte) {
	t.mu.Lock()
	t.cur.set(key, v)
	t.mu.Unlock()
}

// pending is how many entries wait in the newest layer.
func (t *tables) pending() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.cur.kv)
}

// seal ends the newest layer: its entries belong to records before applied.
func (t *tables) seal(applied logPos, packs []uint32) {
	t.m.applied, t.m.packs = applied, packs
	m := t.m
	m.emptying = slices.Clone(m.emptying)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.old == nil {
		t.old = t.cur
	} else {
		t.old.absorb(t.cur)
	}
	t.cur, t.sealed = newLayer(), m
}

// commit moves the sealed layer to disk. The log must be durable up to where it
// was sealed. If the disk is full it stays in memory, which is no error.
func (t *tables) commit() error {
	t.idxMu.RLock()
	defer t.idxMu.RUnlock()
	t.mu.RLock()
	l, m := t.old, t.sealed
	t.mu.RUnlock()
	if l == nil || t.idx == nil {
		return nil
	}
	if ok, err := t.idx.commit(l, m); !ok || err != nil {
		return err
	}
	t.mu.Lock()
	t.old = nil
	t.mu.Unlock()
	return nil
}

// close closes the index on disk. Entries in layers are left to the log.
func (t *tables) close() error {
	t.idxMu.Lock()
	defer t.idxMu.Unlock()
	if t.idx == nil {
		return nil
	}
	err := t.idx.close()
	t.idx = nil
	return err
}

// disk calls f with the index on disk.
func (t *tables) disk(f func(*index) error) error {
	t.idxMu.RLock()
	defer t.idxMu.RUnlock()
	if t.idx == nil {
		return errSwapped
	}
	if t.idx.failed.Load() {
		return ErrDamagedIndex
	}
	return f(t.idx)
}

// get returns the value of a key, nil if there is none. It must not be written to.
func (t *tables) get(key string) (v []byte, err error) {
	t.mu.RLock()
	v, ok := t.cur.kv[key]
	if !ok && t.old != nil {
		v, ok = t.old.kv[key]
	}
	t.mu.RUnlock()
	if ok {
		return v, nil
	}
	err = t.disk(func(x *index) error {
		v, err = x.get(key)
		return err
	})
	return v, err
}

// maxPlaces is how many locations of a block are looked at in one go.
const maxPlaces = 8

// placeList is some locations of one block, in ascending order of file id, so
// that the owned one comes first.
type placeList struct {
	at   [maxPlaces]place
	n    int
	more bool   // there are more, from next on
	next uint64 // file id
}

func (l *placeList) add(p place) bool {
	if l.n == maxPlaces {
		l.more, l.next = true, p.file
		return false
	}
	l.at[l.n] = p
	l.n++
	return true
}

// places fills l with locations of the block, beginning at file id from. The
// files may have been dropped since: see Store.file.
func (t *tables) places(hash string, from uint64, l *placeList) error {
	over := t.overlaid(hash, from) // before the disk: entries move down, never up
	return t.disk(func(x *index) error { return l.fill(x, x.under, hash, from, over) })
}

// placesOf calls each with the first locations of every block, in the order of
// hashes. It costs a fraction of as many calls of places.
func (t *tables) placesOf(hashes []string, each func(i int, l *placeList) error) error {
	over := make(map[int][]overlay)
	for i, hash := range hashes { // before the disk: entries move down, never up
		if o := t.overlaid(hash, 0); len(o) > 0 {
			over[i] = o
		}
	}
	return t.disk(func(x *index) error {
		return x.look(func(under underFunc) error {
			var l placeList
			for i, hash := range hashes {
				if err := l.fill(x, under, hash, 0, over[i]); err != nil {
					return err
				}
				if err := each(i, &l); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// underFunc is index.under.
type underFunc = func(prefix, key []byte, f func(k, v []byte) (more bool)) error

// fill puts in the locations of a block from file id from on: those in the index,
// and over them what layers say.
func (l *placeList) fill(x *index, under underFunc, hash string, from uint64, over []overlay) error {
	l.n, l.more = 0, false
	var buf [1 + maxKeyLen + idLen]byte
	key := blockKey(buf[:0], hash, from)
	prefix := key[:len(key)-idLen]
	var bad error
	err := under(prefix, key, func(k, v []byte) bool {
		file := binary.BigEndian.Uint64(k[len(prefix):])
		var more bool
		if over, more, bad = l.mergeBefore(over, file); !more || bad != nil {
			return false
		}
		if len(over) > 0 && over[0].file == file {
			return true // comes from the layer
		}
		var p place
		if p, bad = parsePlace(file, v); bad != nil {
			return false
		}
		return l.add(p)
	})
	if err == nil && bad == nil && !l.more {
		_, _, bad = l.mergeBefore(over, ^uint64(0))
	}
	if bad != nil {
		err = x.damaged(bad)
	}
	return err
}

// overlay is a location in a layer; a nil value says that it is gone.
type overlay struct {
	file uint64
	v    []byte
}

// mergeBefore adds the overlays that come before file and returns the rest.
func (l *placeList) mergeBefore(over []overlay, file uint64) (rest []overlay, more bool, err error) {
	for len(over) > 0 && over[0].file < file {
		if over[0].v != nil {
			p, err := parsePlace(over[0].file, over[0].v)
			if err != nil {
				return over, false, err
			}
			if !l.add(p) {
				return over, false, nil
			}
		}
		over = over[1:]
	}
	return over, true, nil
}

// overlaid returns the locations that layers say something about, sorted.
func (t *tables) overlaid(hash string, from uint64) []overlay {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []overlay
	take := func(l, newer *layer) {
		for _, file := range l.files[hash] {
			key := blockKey(nil, hash, file)
			if newer != nil {
				if _, ok := newer.kv[string(key)]; ok {
					continue
				}
			}
			if file >= from {
				all = append(all, overlay{file, l.kv[string(key)]})
			}
		}
	}
	take(t.cur, nil)
	if t.old != nil {
		take(t.old, t.cur)
	}
	slices.SortFunc(all, func(a, b overlay) int { return cmp.Compare(a.file, b.file) })
	return all
}

// entry is a key and its value.
type entry struct {
	key string
	v   []byte
}

// pageLen is about how many entries page returns at a time.
const pageLen = 512

// page returns the next entries whose keys begin with prefix, in order, from
// the given key on, and the key to go on from, empty at the end. Entries that
// come and go meanwhile may be in it or not.
func (t *tables) page(prefix, from string) (page []entry, next string, err error) {
	if from < prefix {
		from = prefix
	}
	over := map[string][]byte{}
	t.mu.RLock()
	for _, l := range []*layer{t.old, t.cur} {
		if l == nil {
			continue
		}
		for k, v := range l.kv {
			if k >= from && strings.HasPrefix(k, prefix) {
				over[k] = v
			}
		}
	}
	t.mu.RUnlock()
	upper := prefixEnd(prefix)
	seen := 0
	err = t.disk(func(x *index) error {
		return x.scan([]byte(from), upper, func(k, v []byte) bool {
			if seen == pageLen {
				next = string(k)
				return false
			}
			seen++
			if _, ok := over[string(k)]; !ok {
				page = append(page, entry{string(k), bytes.Clone(v)})
			}
			return true
		})
	})
	if err != nil {
		return nil, "", err
	}
	for _, k := range slices.Sorted(maps.Keys(over)) {
		if next != "" && k >= next {
			break
		}
		if over[k] != nil {
			page = append(page, entry{k, over[k]})
		}
	}
	slices.SortFunc(page, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return page, next, nil
}

// prefixEnd is the first key after all those with the prefix.
func prefixEnd(prefix string) []byte {
	b := []byte(prefix)
	b[len(b)-1]++ // prefixes are ASCII letters
	return b
}
