package store

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/ipfs/go-cid"
	"google.golang.org/protobuf/encoding/protowire"
)

// Root is something that the user shares: the top of a DAG, and what people
// want to know about it. Garbage collection keeps what hangs below it.
type Root struct {
	Cid    cid.Cid
	Name   string
	Path   string // where it is on this machine, absolute; empty if nowhere
	Size   int64  // bytes of content
	Chunks int64
	Added  time.Time // zero, when given to AddRoot: now
	// Pinned is set in what the store returns: there is also a pin on the CID.
	Pinned bool
	// Note is the caller's own, kept as it is: at most MaxNote bytes.
	Note []byte
}

// Pin keeps what hangs below a CID from garbage collection without sharing it
// by name.
type Pin struct {
	Cid   cid.Cid
	Name  string    // for people; may be empty
	Size  int64     // bytes of content, 0 if not known
	Added time.Time // zero, when given to AddPin: now
}

// MaxNote is the most bytes of a [Root]'s Note; MaxText those of its Name and
// Path, and of a [Pin]'s Name.
const (
	MaxNote = 64 << 10
	MaxText = 32 << 10
)

func (r Root) check() error {
	if _, _, err := hashOf(r.Cid); err != nil {
		return err
	}
	if len(r.Note) > MaxNote || len(r.Name) > MaxText || len(r.Path) > MaxText || r.Size < 0 || r.Chunks < 0 {
		return fmt.Errorf("store: root %s: its description is out of bounds", r.Cid)
	}
	return nil
}

func (r Root) append(b []byte, born uint32) []byte {
	b = putBytes(b, 1, r.Cid.Bytes())
	b = putBytes(b, 2, r.Name)
	b = putBytes(b, 3, r.Path)
	b = putVarint(b, 4, uint64(r.Size))
	b = putVarint(b, 5, uint64(r.Chunks))
	b = putVarint(b, 6, protowire.EncodeZigZag(r.Added.UnixNano()))
	b = putVarint(b, 7, uint64(born))
	return putBytes(b, 8, r.Note)
}

func parseRootBody(b []byte) (r Root, born uint32, err error) {
	if r.Cid, err = namedCid(b); err != nil {
		return Root{}, 0, err
	}
	r.Added = time.Unix(0, 0)
	err = eachField(b, func(x field) error {
		switch x.num {
		case 2:
			r.Name = string(x.bytes)
		case 3:
			r.Path = string(x.bytes)
		case 4:
			r.Size = int64(x.v)
		case 5:
			r.Chunks = int64(x.v)
		case 6:
			r.Added = time.Unix(0, protowire.DecodeZigZag(x.v))
		case 7:
			born = uint32(x.v)
		case 8:
			r.Note = append([]byte(nil), x.bytes...)
		}
		return nil
	})
	return r, born, err
}

func (p Pin) append(b []byte, born uint32) []byte {
	return p.root().append(b, born)
}

// root is a pin as a root, which is how it is written down.
func (p Pin) root() Root { return Root{Cid: p.Cid, Name: p.Name, Size: p.Size, Added: p.Added} }

// namedCid is the CID of the body of a root or pin.
func namedCid(b []byte) (c cid.Cid, err error) {
	err = eachField(b, func(x field) error {
		if x.num != 1 {
			return nil
		}
		var err error
		if c, err = cid.Cast(x.bytes); err != nil {
			return errBody
		}
		return nil
	})
	if err == nil && !c.Defined() {
		err = errBody
	}
	return c, err
}

// AddRoot makes r a root, in place of an earlier one of the same CID. What
// hangs below it should be in the store already, added through a [Batch] that
// is still open or kept by another root or pin.
func (s *Store) AddRoot(r Root) error {
	if err := r.check(); err != nil {
		return err
	}
	if r.Added.IsZero() {
		r.Added = time.Now()
	}
	return s.name(recRoot, keyRoot, r.Cid, r.append)
}

// AddPin keeps what hangs below p.Cid from now on. Pinning again replaces what
// was said of it.
func (s *Store) AddPin(p Pin) error {
	if err := p.root().check(); err != nil {
		return err
	}
	if p.Added.IsZero() {
		p.Added = time.Now()
	}
	return s.name(recPin, keyPin, p.Cid, p.append)
}

// name appends the record of a root or pin.
func (s *Store) name(typ recordType, kind byte, c cid.Cid, body func(b []byte, born uint32) []byte) error {
	key := string(kind) + c.KeyString()
	return s.write(func(t *tables) error {
		born, err := bornOf(t, key)
		if err != nil {
			return err
		}
		if born == 0 {
			born = s.log.end.pack()
		}
		if err := s.record(t, typ, "", body(nil, born), false); err != nil {
			return err
		}
		s.gc.reached(c)
		return nil
	})
}

// bornOf returns the first pack that holds the named thing, 0 if there is none.
func bornOf(t *tables, key string) (uint32, error) {
	v, err := t.get(key)
	if err != nil || v == nil {
		return 0, err
	}
	_, _, body, err := parseStamp(v)
	if err != nil {
		return 0, err
	}
	if key[0] == keyFile {
		m, err := parseFileBody(body)
		return m.born, err
	}
	_, born, err := parseRootBody(body)
	return born, err
}

// RemoveRoot takes a root away. Its blocks stay until they are collected, and
// its files stay registered until [Store.DropFile] or until they are collected.
func (s *Store) RemoveRoot(c cid.Cid) error { return s.unname(keyRoot, "root", c) }

// Unpin takes a pin away.
func (s *Store) Unpin(c cid.Cid) error { return s.unname(keyPin, "pin", c) }

func (s *Store) unname(kind byte, what string, c cid.Cid) error {
	if _, _, err := hashOf(c); err != nil {
		return err
	}
	key := string(kind) + c.KeyString()
	return s.write(func(t *tables) error {
		v, err := t.get(key)
		if err != nil {
			return err
		}
		if v == nil {
			return fmt.Errorf("store: %s %s: %w", what, c, ErrNotFound)
		}
		s.gc.outdated()
		return s.dropNamed(t, key)
	})
}

// dropNamed appends the drop of a root, pin or file.
func (s *Store) dropNamed(t *tables, key string) error {
	born, err := bornOf(t, key)
	if err != nil {
		return err
	}
	m := dropBody{drops: []dropEntry{{key: key, from: born, to: s.log.end.pack()}}}
	return s.record(t, recDrop, "", m.encode(), true)
}

// Root returns the root with the given CID, or ErrNotFound.
func (s *Store) Root(c cid.Cid) (Root, error) { return named(s, keyRoot, "root", c, s.rootOf) }

// Pin returns the pin with the given CID, or ErrNotFound.
func (s *Store) Pin(c cid.Cid) (Pin, error) { return named(s, keyPin, "pin", c, pinOf) }

// named returns the root or pin with the given CID.
func named[T any](s *Store, kind byte, what string, c cid.Cid, parse func(*tables, []byte) (T, error)) (x T, err error) {
	if _, _, err := hashOf(c); err != nil {
		return x, err
	}
	err = s.read(func(t *tables) error {
		v, err := t.get(string(kind) + c.KeyString())
		if err != nil {
			return err
		}
		if v == nil {
			return fmt.Errorf("store: %s %s: %w", what, c, ErrNotFound)
		}
		x, err = parse(t, v)
		return err
	})
	return x, err
}

func pinOf(_ *tables, v []byte) (Pin, error) {
	_, _, body, err := parseStamp(v)
	if err != nil {
		return Pin{}, err
	}
	r, _, err := parseRootBody(body)
	return Pin{Cid: r.Cid, Name: r.Name, Size: r.Size, Added: r.Added}, err
}

func (s *Store) rootOf(t *tables, v []byte) (Root, error) {
	_, _, body, err := parseStamp(v)
	if err != nil {
		return Root{}, err
	}
	r, _, err := parseRootBody(body)
	if err != nil {
		return Root{}, err
	}
	pin, err := t.get(string(keyPin) + r.Cid.KeyString())
	r.Pinned = pin != nil
	return r, err
}

// Roots enumerates all roots, ordered by CID. An error ends the enumeration.
func (s *Store) Roots(ctx context.Context) iter.Seq2[Root, error] {
	return enumerate(ctx, s, string(keyRoot), func(t *tables, e entry) (Root, error) { return s.rootOf(t, e.v) })
}

// Pins enumerates all pins, ordered by CID. An error ends the enumeration.
func (s *Store) Pins(ctx context.Context) iter.Seq2[Pin, error] {
	return enumerate(ctx, s, string(keyPin), func(t *tables, e entry) (Pin, error) { return pinOf(t, e.v) })
}

// enumerate goes over the entries with a prefix, page by page, holding nothing
// while the caller looks at one.
func enumerate[T any](ctx context.Context, s *Store, prefix string, parse func(*tables, entry) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		for from := prefix; from != ""; {
			var all []T
			err := s.read(func(t *tables) error {
				page, next, err := t.page(prefix, from)
				if err != nil {
					return err
				}
				all = all[:0]
				for _, e := range page {
					x, err := parse(t, e)
					if err != nil {
						return err
					}
					all = append(all, x)
				}
				from = next
				return nil
			})
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(zero, err)
				return
			}
			for _, x := range all {
				if !yield(x, nil) {
					return
				}
			}
		}
	}
}
