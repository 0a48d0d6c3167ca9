package store

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/ipfs/go-cid"
)

// Batch holds together what is being added: from Begin to Close, garbage
// collection takes nothing that is added in the meantime, by whatever method,
// nor what is added again. So an import adds blocks and references, then the
// root that leads to them, then closes the batch.
//
// A Batch is no transaction: what was added stays added, and is garbage unless
// a root or pin leads to it. Its methods may be called from several goroutines.
type Batch struct{ s *Store }

// Begin begins a batch. The caller owes a Close.
func (s *Store) Begin() (*Batch, error) {
	b := &Batch{s}
	err := s.write(func(t *tables) error {
		s.subs.holds[b] = t.m.epoch
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Close ends the batch. It makes nothing durable: that is [Store.Sync]. Closing
// twice does nothing.
func (b *Batch) Close() {
	b.s.writing.Lock()
	delete(b.s.subs.holds, b)
	b.s.writing.Unlock()
}

// Put is [Store.Put].
func (b *Batch) Put(c cid.Cid, data []byte) error { return b.s.Put(c, data) }

// PutVerified is [Store.PutVerified].
func (b *Batch) PutVerified(c cid.Cid, data []byte) error { return b.s.PutVerified(c, data) }

// Ref says where a block is in a file: Length bytes at Offset.
type Ref struct {
	Cid    cid.Cid
	Offset int64
	Length int
}

// FileRefs takes the references into one file, in a stream of any length with
// little memory. It is used by one goroutine at a time.
type FileRefs struct {
	b      *Batch
	file   File
	id     uint64
	known  bool // the same file was registered before
	closed bool
	run    []refEntry
}

const maxRun = 512 // references in one record

// File registers a file and returns where its references go. The description
// is that of [StatFile], taken before the file was read. If another file was
// registered under the path, or this one in another state, that registration
// and its references are dropped: they could not be served any more.
func (b *Batch) File(f File) (*FileRefs, error) {
	r := &FileRefs{b: b, file: f}
	err := b.s.write(func(t *tables) error {
		old, err := t.fileAt(f.Path)
		if err != nil {
			return err
		}
		if old != 0 {
			m, ok, err := t.file(old)
			if err != nil {
				return err
			}
			if ok && m.file.check(f) == nil {
				r.id, r.known = old, true
				b.s.subs.importing[old]++
				return b.s.touchFile(t, old)
			}
		}
		if err := b.s.register(t, r, old); err != nil {
			return err
		}
		b.s.subs.importing[r.id]++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// register drops the file that had the path, if any, and gives the new one an id.
func (s *Store) register(t *tables, r *FileRefs, old uint64) error {
	if err := r.file.checkDescription(); err != nil {
		return err
	}
	if old != 0 {
		if err := s.dropFile(t, old); err != nil {
			return err
		}
	}
	r.id = t.m.nextFile
	m := fileBody{id: r.id, file: r.file, born: s.log.end.pack()}
	return s.record(t, recFile, "", m.encode(), false)
}

// touchFile is touch for a file.
func (s *Store) touchFile(t *tables, id uint64) error {
	v, err := t.get(fileKey(id))
	if err != nil || v == nil {
		return err
	}
	pos, epoch, body, err := parseStamp(v)
	if err == nil && epoch < t.m.epoch {
		t.set(fileKey(id), append(stamp(pos, t.m.epoch), body...))
	}
	return err
}

// Add adds references. They may be served as soon as it returns, or later, up
// to the end of Close. After an error, such as ErrDiskFull, they can be added
// again, which does no harm. It keeps no reference to refs.
func (r *FileRefs) Add(refs ...Ref) error {
	for _, x := range refs {
		e, in, err := r.file.entry(x)
		if err != nil {
			return err
		}
		if in {
			continue
		}
		r.run = append(r.run, e)
		if len(r.run) >= maxRun {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush writes the references that are not in the log yet.
func (r *FileRefs) flush() error {
	s := r.b.s
	if len(r.run) == 0 {
		return nil
	}
	err := s.write(func(t *tables) error {
		run := r.run
		if r.known {
			var err error
			if run, err = r.unknown(t); err != nil || len(run) == 0 {
				return err
			}
		}
		return s.record(t, recRefs, "", refsBody{file: r.id, refs: run}.encode(), false)
	})
	if err == nil {
		r.run = r.run[:0]
	}
	return err
}

// unknown returns those references of the run that are not in the store yet,
// and touches the others.
func (r *FileRefs) unknown(t *tables) (run []refEntry, err error) {
	for _, x := range r.run {
		have, err := r.b.s.touch(t, string(blockKey(nil, x.hash, r.id)))
		if err != nil {
			return nil, err
		}
		if !have {
			run = append(run, x)
		}
	}
	return run, nil
}

// Close ends the references into the file. It looks whether the file is still
// as it was described, which a change during the import would show; if it is
// not, the references are dropped and the error is a [FileError].
func (r *FileRefs) Close() error {
	if r.closed {
		return nil
	}
	err := r.flush()
	if err == nil {
		err = r.file.recheck()
	}
	if err != nil {
		return errors.Join(err, r.Abort())
	}
	r.closed = true
	return r.b.s.write(func(*tables) error {
		r.b.s.endImport(r.id)
		return nil
	})
}

// Abort ends the references into the file and drops them again, unless the same
// file was registered before. After Close it does nothing.
func (r *FileRefs) Abort() error {
	if r.closed {
		return nil
	}
	r.closed = true
	return r.b.s.write(func(t *tables) error {
		last := r.b.s.endImport(r.id)
		if r.known || !last {
			return nil
		}
		return r.b.s.dropFile(t, r.id)
	})
}

// endImport reports whether nobody else imports into the file.
func (s *Store) endImport(id uint64) (last bool) {
	s.subs.importing[id]--
	if s.subs.importing[id] <= 0 {
		delete(s.subs.importing, id)
		return true
	}
	return false
}

// dropFile takes a file's registration away, and so all references into it.
func (s *Store) dropFile(t *tables, id uint64) error {
	v, err := t.get(fileKey(id))
	if err != nil || v == nil {
		return err
	}
	if err := s.dropNamed(t, fileKey(id)); err != nil {
		return err
	}
	s.files.forget(id, nil)
	return nil
}

// DropFile forgets the file at a path and every reference into it, at once and
// whatever their number. The file itself is not touched. ErrNotFound says that
// none is registered under the path.
func (s *Store) DropFile(path string) error {
	return s.write(func(t *tables) error {
		id, err := t.fileAt(path)
		if err != nil {
			return err
		}
		if id == 0 {
			return fmt.Errorf("store: file %s: %w", path, ErrNotFound)
		}
		return s.dropFile(t, id)
	})
}

// Files enumerates the registered files, in the order of registration. An
// error ends the enumeration.
func (s *Store) Files(ctx context.Context) iter.Seq2[File, error] {
	return enumerate(ctx, s, string(keyFile), func(_ *tables, e entry) (File, error) {
		_, _, body, err := parseStamp(e.v)
		if err != nil {
			return File{}, err
		}
		m, err := parseFileBody(body)
		return m.file, err
	})
}
