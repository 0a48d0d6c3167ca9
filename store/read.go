package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ipfs/go-cid"

	"ringswap/blockhash"
)

// errNoFile is returned for a location in a file that is not registered any
// more: the location does not count.
var errNoFile = errors.New("store: file was dropped")

// inline returns the block that the CID carries in itself.
func inline(hash string) string {
	name, _ := blockhash.Parse(hash)
	return name.Digest
}

// Has reports whether the store knows a location of the block. It does not look
// whether a referenced file is still what it was.
func (s *Store) Has(c cid.Cid) (bool, error) {
	_, err := s.Size(c)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Which is Has for many blocks at once, for a fraction of the time.
func (s *Store) Which(cids []cid.Cid) (have []bool, err error) {
	hashes := make([]string, len(cids))
	for i, c := range cids {
		if hashes[i], _, err = hashOf(c); err != nil {
			return nil, err
		}
	}
	have = make([]bool, len(cids))
	var unsure []int
	err = s.read(func(t *tables) error {
		clear(have)
		unsure = unsure[:0]
		registered := owned // the last file that counted: most blocks are in the same
		return t.placesOf(hashes, func(i int, l *placeList) error {
			for _, p := range l.at[:l.n] {
				ok := p.file != owned && p.file == registered
				if !ok {
					var err error
					if _, ok, err = s.counts(t, p); err != nil {
						return err
					}
				}
				if have[i] = have[i] || ok; ok {
					registered = p.file
				}
			}
			if name, _ := blockhash.Parse(hashes[i]); name.Identity() {
				have[i] = true
			}
			if !have[i] && l.more {
				unsure = append(unsure, i)
			}
			return nil
		})
	})
	for _, i := range unsure { // of which the first locations are of no use
		if err == nil {
			have[i], err = s.Has(cids[i])
		}
	}
	if err != nil {
		return nil, err
	}
	return have, nil
}

// counts reports whether a location is one to read from: its file is still
// registered, or its pack's record was not seen damaged.
func (s *Store) counts(t *tables, p place) (f found, ok bool, err error) {
	f.at = p
	if p.file == owned {
		return f, !s.bad.has(p.pos), nil
	}
	f.file, ok, err = t.file(p.file)
	return f, ok, err
}

// Size is the length of the block in bytes, or ErrNotFound. It does not look
// whether a referenced file is still what it was.
func (s *Store) Size(c cid.Cid) (n int, err error) {
	hash, in, err := hashOf(c)
	if err != nil {
		return 0, err
	}
	if in {
		return len(inline(hash)), nil
	}
	err = s.read(func(t *tables) error {
		before := t.recent.before()
		err := s.eachPlace(t, hash, func(p place) (bool, error) {
			f, ok, err := s.counts(t, p)
			if ok {
				n = p.length
				f.hash = hash
				t.recent.note(before, f)
			}
			return ok, err
		})
		return err
	})
	if err == errNoPlace { //nolint:errorlint // it is compared where it is made
		err = notFound(c)
	}
	return n, err
}

// Location is a place where the store has a block.
type Location struct {
	Owned  bool
	Path   string // of the pack or of the user's file
	Offset int64  // in bytes
	Length int
}

// Locations returns all places of the block, in the order in which they are
// tried. It does not look whether a referenced file is still what it was.
func (s *Store) Locations(c cid.Cid) (all []Location, err error) {
	hash, in, err := hashOf(c)
	if err != nil || in {
		return nil, err
	}
	err = s.read(func(t *tables) error {
		all = all[:0]
		err := s.eachPlace(t, hash, func(p place) (bool, error) {
			at := Location{Owned: p.file == owned, Offset: p.offset, Length: p.length}
			if at.Owned {
				at.Path = filepath.Join(s.log.dir, packName(p.pos.pack()))
				all = append(all, at)
				return false, nil
			}
			m, ok, err := t.file(p.file)
			if ok {
				at.Path = m.file.Path
				all = append(all, at)
			}
			return false, err
		})
		if err == errNoPlace { //nolint:errorlint // it is compared where it is made
			err = nil
		}
		return err
	})
	return all, err
}

// errNoPlace is returned by eachPlace if no location would do.
var errNoPlace = errors.New("store: no location")

// eachPlace tries the locations of a block until one will do. A location's own
// error makes it go on to the next; the first such error is returned if none
// would do. Trouble of the index ends it.
func (s *Store) eachPlace(t *tables, hash string, try func(place) (bool, error)) error {
	var l placeList
	var first error
	for from := uint64(0); ; from = l.next {
		if err := t.places(hash, from, &l); err != nil {
			return err
		}
		for _, p := range l.at[:l.n] {
			ok, err := try(p)
			switch {
			case err != nil && indexTrouble(err):
				return err
			case err != nil && first == nil:
				first = err
			case ok:
				return nil
			}
		}
		if !l.more {
			break
		}
	}
	if first == nil {
		first = errNoPlace
	}
	return first
}

// ReadAt fills p from the block, beginning at byte off of it, with the contract
// of [io.ReaderAt]. Bytes from a referenced file are given out only if the file
// was still the registered one after they had been read: otherwise another
// location is tried, and in the end the error is ErrChanged or ErrMissing with
// the file's path. The bytes are not hashed; see [Store.Get].
//
// It keeps no reference to p.
func (s *Store) ReadAt(c cid.Cid, p []byte, off int64) (int, error) {
	hash, in, err := hashOf(c)
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fmt.Errorf("store: block %s: negative offset %d", c, off)
	}
	if in {
		return readInline(inline(hash), p, off)
	}
	n := 0
	err = s.read(func(t *tables) error {
		n, err = s.readAt(t, hash, p, off)
		return err
	})
	if err == errNoPlace { //nolint:errorlint // it is compared where it is made
		err = notFound(c)
	}
	return n, err
}

func readInline(data string, p []byte, off int64) (int, error) {
	if off >= int64(len(data)) {
		return 0, eofUnless(len(p) == 0)
	}
	n := copy(p, data[off:])
	return n, eofUnless(n == len(p))
}

func eofUnless(full bool) error {
	if full {
		return nil
	}
	return io.EOF
}

func (s *Store) readAt(t *tables, hash string, p []byte, off int64) (int, error) {
	if f, ok := t.recent.get(hash); ok {
		n := f.at.within(p, off)
		if s.readFound(t, f, p[:n], off) == nil {
			return n, eofUnless(n == len(p))
		}
	}
	for range 8 {
		n := 0
		err := s.eachPlace(t, hash, func(at place) (bool, error) {
			n = at.within(p, off)
			err := s.readPlace(t, at, p[:n], off)
			if errors.Is(err, errNoFile) {
				err = nil
			} else if err == nil {
				return true, nil
			}
			return false, err
		})
		if errors.Is(err, errPackGone) {
			continue // it moved between looking and reading: look again
		}
		if err != nil {
			return 0, err
		}
		return n, eofUnless(n == len(p))
	}
	return 0, fmt.Errorf("store: %w: the pack of a block is missing", ErrCorrupt)
}

// within is how many bytes of the block there are for p from off on.
func (p place) within(b []byte, off int64) int { return max(0, min(len(b), int(int64(p.length)-off))) }

// readPlace fills p from one location, beginning at byte off of the block. It
// may return errNoFile and errPackGone.
func (s *Store) readPlace(t *tables, at place, p []byte, off int64) error {
	return s.readFound(t, found{at: at}, p, off)
}

// readFound is readPlace that need not look the file up if it is known.
func (s *Store) readFound(t *tables, l found, p []byte, off int64) error {
	at := l.at
	if at.file == owned {
		err := s.log.readAt(p, at.pos.pack(), at.offset+off)
		if err != nil && !errors.Is(err, errPackGone) {
			return fmt.Errorf("store: read %s at %d: %w: %w", packName(at.pos.pack()), at.offset+off, ErrCorrupt, err)
		}
		return err
	}
	h, err := s.files.acquire(at.file, func() (*os.File, fileBody, error) {
		// Whoever drops a file forgets first what is recent, and its handle then: who
		// finds it here still has a handle that is not kept.
		r, ok := t.recent.get(l.hash)
		m, err := r.file, error(nil)
		if !ok || r.at != at {
			m, ok, err = t.file(at.file)
		}
		if err != nil {
			return nil, fileBody{}, err
		}
		if !ok {
			return nil, fileBody{}, errNoFile
		}
		f, err := m.file.open()
		return f, m, err
	})
	if err != nil {
		return err
	}
	defer s.files.release(h)
	_, err = h.f.ReadAt(p, at.offset+off)
	// Only after the reading does the file's state prove what was read: a write in
	// between shows now. It also explains a read that came short.
	if cerr := h.info.file.recheck(); cerr != nil {
		s.files.forget(at.file, nil) // do not keep a deleted file's room
		return cerr
	}
	if errors.Is(err, io.EOF) {
		return &FileError{Path: h.info.file.Path, Detail: "it is shorter than its size says", Err: ErrChanged}
	}
	if err != nil {
		return fileError(h.info.file.Path, err)
	}
	return nil
}

// Get returns the whole block in memory of its own, after checking that it
// hashes to its CID. If no location holds the right bytes, the error is that
// of the first one: ErrCorrupt for an owned block, ErrChanged or ErrMissing for
// a referenced one.
func (s *Store) Get(ctx context.Context, c cid.Cid) (data []byte, err error) {
	hash, in, err := hashOf(c)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if in {
		return []byte(inline(hash)), nil
	}
	err = s.read(func(t *tables) error {
		data, err = s.get(t, hash)
		return err
	})
	if err == errNoPlace { //nolint:errorlint // it is compared where it is made
		err = notFound(c)
	}
	return data, err
}

func (s *Store) get(t *tables, hash string) (data []byte, err error) {
	for range 8 {
		err = s.eachPlace(t, hash, func(at place) (bool, error) {
			if cap(data) < at.length {
				data = make([]byte, at.length)
			}
			data = data[:at.length]
			err := s.readPlace(t, at, data, 0)
			if errors.Is(err, errNoFile) {
				return false, nil
			}
			if err == nil && !matches(hash, data) {
				err = s.mismatch(t, hash, at)
			}
			return err == nil, err
		})
		if !errors.Is(err, errPackGone) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// mismatch is the error of a location whose bytes are wrong. That of an owned
// block is remembered, so that Put stores the block again.
func (s *Store) mismatch(t *tables, hash string, at place) error {
	if at.file == owned {
		s.bad.add(at.pos)
		return fmt.Errorf("store: block %s in %s at %d: %w", cidOf(hash), packName(at.pos.pack()), at.offset, ErrCorrupt)
	}
	m, ok, err := t.file(at.file)
	if err != nil {
		return err
	}
	if !ok {
		return errNoFile
	}
	detail := fmt.Sprintf("%d bytes at %d differ, though size and time are the same", at.length, at.offset)
	return &FileError{Path: m.file.Path, Detail: detail, Err: ErrChanged}
}
