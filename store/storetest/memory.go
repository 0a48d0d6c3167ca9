package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ipfs/go-cid"

	"ringswap/store"
)

// Memory is a store of plain maps. It keeps nothing on disk and is not safe for
// concurrent use.
type Memory struct {
	owned map[string][]byte
	files []*memFile // in the order of registration
	roots map[string]store.Root
	pins  map[string]store.Pin
	quota int64
}

type memFile struct {
	store.File
	refs map[string]store.Ref
}

// NewMemory returns an empty store.
func NewMemory(quota int64) *Memory {
	return &Memory{owned: map[string][]byte{}, roots: map[string]store.Root{}, pins: map[string]store.Pin{}, quota: quota}
}

// Clone returns a copy that shares nothing that changes.
func (m *Memory) Clone() *Memory {
	c := &Memory{owned: maps.Clone(m.owned), roots: maps.Clone(m.roots), pins: maps.Clone(m.pins), quota: m.quota}
	for _, f := range m.files {
		c.files = append(c.files, &memFile{f.File, maps.Clone(f.refs)})
	}
	return c
}

func key(c cid.Cid) string { return string(c.Hash()) }

// Put is [store.Store.Put].
func (m *Memory) Put(c cid.Cid, data []byte) error {
	if !c.Defined() {
		return store.ErrBadCid
	}
	if len(data) > store.MaxBlockBytes {
		return store.ErrTooLarge
	}
	if got, err := c.Prefix().Sum(data); err != nil || !got.Equals(c) {
		return store.ErrHashMismatch
	}
	if _, have := m.owned[key(c)]; have || isInline(c) {
		return nil
	}
	used := m.used()
	if m.quota > 0 && used+int64(len(data)) > m.quota {
		return &store.QuotaError{Quota: m.quota, Used: used, Need: int64(len(data))}
	}
	m.owned[key(c)] = bytes.Clone(data)
	return nil
}

func isInline(c cid.Cid) bool { return c.Prefix().MhType == 0 }

func (m *Memory) used() (n int64) {
	for _, b := range m.owned {
		n += int64(len(b))
	}
	return n
}

// Get is [store.Store.Get].
func (m *Memory) Get(_ context.Context, c cid.Cid) ([]byte, error) {
	if !c.Defined() {
		return nil, store.ErrBadCid
	}
	if isInline(c) {
		return c.Hash()[2:], nil
	}
	if b, have := m.owned[key(c)]; have {
		return bytes.Clone(b), nil
	}
	first := fmt.Errorf("%s: %w", c, store.ErrNotFound)
	bad := false
	for _, f := range m.files {
		r, have := f.refs[key(c)]
		if !have {
			continue
		}
		b, err := f.read(r)
		if err == nil {
			if got, serr := c.Prefix().Sum(b); serr != nil || !got.Equals(c) {
				err = store.ErrChanged
			}
		}
		if err == nil {
			return b, nil
		}
		if !bad {
			first, bad = err, true
		}
	}
	return nil, first
}

func (f *memFile) read(r store.Ref) ([]byte, error) {
	now, err := store.StatFile(f.Path)
	if err != nil {
		return nil, err
	}
	if now.Size != f.Size || now.ModTime != f.ModTime || now.Inode != f.Inode {
		return nil, store.ErrChanged
	}
	b, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, err
	}
	return b[r.Offset : r.Offset+int64(r.Length)], nil
}

// Has is [store.Store.Has].
func (m *Memory) Has(c cid.Cid) (bool, error) {
	_, err := m.Size(c)
	return err == nil, nil
}

// Size is [store.Store.Size].
func (m *Memory) Size(c cid.Cid) (int, error) {
	if isInline(c) {
		return len(c.Hash()) - 2, nil
	}
	if b, have := m.owned[key(c)]; have {
		return len(b), nil
	}
	for _, f := range m.files {
		if r, have := f.refs[key(c)]; have {
			return r.Length, nil
		}
	}
	return 0, store.ErrNotFound
}

// Locations is [store.Store.Locations], without the paths of packs.
func (m *Memory) Locations(c cid.Cid) (all []store.Location, err error) {
	if b, have := m.owned[key(c)]; have {
		all = append(all, store.Location{Owned: true, Length: len(b)})
	}
	for _, f := range m.files {
		if r, have := f.refs[key(c)]; have {
			all = append(all, store.Location{Path: f.Path, Offset: r.Offset, Length: r.Length})
		}
	}
	return all, nil
}

// ReadAt is [store.Store.ReadAt].
func (m *Memory) ReadAt(c cid.Cid, p []byte, off int64) (int, error) {
	b, err := m.Get(context.Background(), c)
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fmt.Errorf("offset %d", off)
	}
	n := copy(p, b[min(off, int64(len(b))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Import registers a file with all its references.
func (m *Memory) Import(f store.File, refs []store.Ref) error {
	now, err := store.StatFile(f.Path)
	if err != nil {
		return err
	}
	if now.Size != f.Size || now.ModTime != f.ModTime || now.Inode != f.Inode {
		return store.ErrChanged
	}
	x := m.at(f.Path)
	if x == nil || x.Size != f.Size || x.ModTime != f.ModTime || x.Inode != f.Inode {
		m.Evict(f.Path)
		x = &memFile{File: f, refs: map[string]store.Ref{}}
		m.files = append(m.files, x)
	}
	for _, r := range refs {
		if !isInline(r.Cid) {
			x.refs[key(r.Cid)] = r
		}
	}
	return nil
}

func (m *Memory) at(path string) *memFile {
	for _, f := range m.files {
		if f.Path == path {
			return f
		}
	}
	return nil
}

// Evict forgets the file at a path, if there is one.
func (m *Memory) Evict(path string) {
	m.files = slices.DeleteFunc(m.files, func(f *memFile) bool { return f.Path == path })
}

// DropFile is [store.Store.DropFile].
func (m *Memory) DropFile(path string) error {
	if m.at(path) == nil {
		return store.ErrNotFound
	}
	m.Evict(path)
	return nil
}

// Files is [store.Store.Files].
func (m *Memory) Files(context.Context) iter.Seq2[store.File, error] {
	return func(yield func(store.File, error) bool) {
		for _, f := range m.files {
			if !yield(f.File, nil) {
				return
			}
		}
	}
}

// AddRoot is [store.Store.AddRoot].
func (m *Memory) AddRoot(r store.Root) error {
	if !r.Cid.Defined() {
		return store.ErrBadCid
	}
	if r.Added.IsZero() {
		r.Added = time.Now()
	}
	m.roots[r.Cid.KeyString()] = r
	return nil
}

// Root is [store.Store.Root].
func (m *Memory) Root(c cid.Cid) (store.Root, error) {
	r, have := m.roots[c.KeyString()]
	if !have {
		return store.Root{}, store.ErrNotFound
	}
	_, r.Pinned = m.pins[c.KeyString()]
	return r, nil
}

// RemoveRoot is [store.Store.RemoveRoot].
func (m *Memory) RemoveRoot(c cid.Cid) error {
	if _, have := m.roots[c.KeyString()]; !have {
		return store.ErrNotFound
	}
	delete(m.roots, c.KeyString())
	return nil
}

// Roots is [store.Store.Roots].
func (m *Memory) Roots(context.Context) iter.Seq2[store.Root, error] {
	return func(yield func(store.Root, error) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(m.roots), strings.Compare) {
			if r, _ := m.Root(m.roots[k].Cid); !yield(r, nil) {
				return
			}
		}
	}
}

// AddPin is [store.Store.AddPin].
func (m *Memory) AddPin(p store.Pin) error {
	if !p.Cid.Defined() {
		return store.ErrBadCid
	}
	if p.Added.IsZero() {
		p.Added = time.Now()
	}
	m.pins[p.Cid.KeyString()] = p
	return nil
}

// Pin is [store.Store.Pin].
func (m *Memory) Pin(c cid.Cid) (store.Pin, error) {
	p, have := m.pins[c.KeyString()]
	if !have {
		return store.Pin{}, store.ErrNotFound
	}
	return p, nil
}

// Unpin is [store.Store.Unpin].
func (m *Memory) Unpin(c cid.Cid) error {
	if _, have := m.pins[c.KeyString()]; !have {
		return store.ErrNotFound
	}
	delete(m.pins, c.KeyString())
	return nil
}

// Pins is [store.Store.Pins].
func (m *Memory) Pins(context.Context) iter.Seq2[store.Pin, error] {
	return func(yield func(store.Pin, error) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(m.pins), strings.Compare) {
			if !yield(m.pins[k], nil) {
				return
			}
		}
	}
}

// GC is [store.Store.GC]. Like it, it changes nothing if a part of a root or
// pin cannot be read.
func (m *Memory) GC(ctx context.Context, o store.GCOptions) (s store.GCStats, err error) {
	reached, seen := map[string]bool{}, map[string]bool{}
	var visit func(c cid.Cid) error
	visit = func(c cid.Cid) error {
		if seen[c.KeyString()] {
			return nil
		}
		seen[c.KeyString()], reached[key(c)] = true, true
		if c.Type() == cid.Raw {
			return nil
		}
		b, err := m.Get(ctx, c)
		if err != nil {
			if o.Force {
				s.Broken++
				return nil
			}
			return fmt.Errorf("%w: %w", store.ErrIncomplete, err)
		}
		links, err := o.Links(c, b)
		for _, l := range links {
			if err == nil {
				err = visit(l)
			}
		}
		return err
	}
	for _, r := range m.roots {
		if err := visit(r.Cid); err != nil {
			return s, err
		}
	}
	for _, p := range m.pins {
		if err := visit(p.Cid); err != nil {
			return s, err
		}
	}
	m.sweep(reached, &s)
	return s, nil
}

func (m *Memory) sweep(reached map[string]bool, s *store.GCStats) {
	s.Reached = int64(len(reached))
	for k, b := range m.owned {
		if !reached[k] {
			delete(m.owned, k)
			s.Blocks++
			s.Bytes += int64(len(b))
		}
	}
	m.files = slices.DeleteFunc(m.files, func(f *memFile) bool {
		n := 0
		for k := range f.refs {
			if !reached[k] {
				delete(f.refs, k)
				n++
			}
		}
		if len(f.refs) == 0 {
			s.Files++
			return true
		}
		s.Refs += int64(n)
		return false
	})
}

// Usage is [store.Store.Usage], of which it knows what is owned.
func (m *Memory) Usage() (store.Usage, error) {
	return store.Usage{Owned: m.used(), Quota: m.quota}, nil
}

// Sync is [store.Store.Sync]: there is nothing to do.
func (m *Memory) Sync(context.Context) error { return nil }
