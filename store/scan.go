package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// region is a part of a pack that cannot be read as records.
type region struct {
	from, to int64 // bytes in the pack
}

// scanner walks over the records of one pack. It skips what is damaged and
// goes on at the next record that proves itself.
type scanner struct {
	r    io.ReaderAt
	head packHead
	size int64
	off  int64

	// checkBlocks says to read and check the payload of blocks too. That of
	// journal records is always read.
	checkBlocks bool
	damage      []region

	buf  []byte // head and key, or more
	body []byte
}

// record is what a scanner finds. Its slices are valid until the next one.
type record struct {
	frame
	pos  logPos
	body []byte // nil for a block, unless blocks are checked
}

// openScanner reads a pack's header. A pack whose header is damaged can still
// be scanned if its first record is sound.
func openScanner(r io.ReaderAt, size int64, number uint32) (*scanner, error) {
	b := make([]byte, packHeadLen+frameLen+maxKeyLen)
	n, err := r.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	b = b[:n]
	head, err := parsePackHead(b, number)
	if errors.Is(err, errFrame) && len(b) > packHeadLen {
		head, err = guessPackHead(b[packHeadLen:], number)
	}
	if err != nil {
		return nil, err
	}
	return &scanner{r: r, head: head, size: size, off: packHeadLen}, nil
}

// next returns the next record; io.EOF at the end of the pack.
func (s *scanner) next() (record, error) {
	for s.off < s.size {
		rec, err := s.at(s.off)
		if err == nil {
			s.off += rec.size()
			return rec, nil
		}
		if !errors.Is(err, errFrame) {
			return record{}, err
		}
		from := s.off
		if err := s.resync(); err != nil {
			return record{}, err
		}
		s.noteDamage(from, s.off)
	}
	return record{}, io.EOF
}

func (s *scanner) noteDamage(from, to int64) {
	if n := len(s.damage); n > 0 && s.damage[n-1].to == from {
		s.damage[n-1].to = to
		return
	}
	s.damage = append(s.damage, region{from, to})
}

// at reads the record at off: errFrame if there is none.
func (s *scanner) at(off int64) (record, error) {
	b, err := s.read(&s.buf, off, min(frameLen+maxKeyLen, s.size-off))
	if err != nil {
		return record{}, err
	}
	pos := posOf(s.head.number, off)
	f, err := parseFrame(b, s.head.mark, pos)
	if err != nil || off+f.size() > s.size {
		return record{}, errFrame
	}
	rec := record{frame: f, pos: pos}
	if f.typ == recBlock && !s.checkBlocks {
		return rec, nil
	}
	if rec.body, err = s.read(&s.body, off+f.bodyOff(), int64(f.length)); err != nil {
		return record{}, err
	}
	if checksum(rec.body) != f.bodyCRC {
		return record{}, errFrame
	}
	return rec, nil
}

// resync moves to the next place after off that holds a record, or to the end.
func (s *scanner) resync() error {
	const window = 64 << 10
	buf := make([]byte, window)
	for from := s.off + 1; from < s.size; {
		n := min(window, s.size-from)
		if _, err := s.r.ReadAt(buf[:n], from); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("store: read %s: %w", packName(s.head.number), err)
		}
		for i := 0; ; {
			j := bytes.Index(buf[i:n], s.head.mark[:])
			if j < 0 {
				break
			}
			i += j
			_, err := s.at(from + int64(i))
			if err == nil {
				s.off = from + int64(i)
				return nil
			}
			if !errors.Is(err, errFrame) {
				return err
			}
			i++
		}
		if from+n >= s.size {
			break
		}
		from += n - int64(len(s.head.mark)) + 1 // a marker may straddle windows
	}
	s.off = s.size
	return nil
}

// read fills n bytes at off into the given buffer, which grows as needed.
func (s *scanner) read(buf *[]byte, off, n int64) ([]byte, error) {
	if int64(cap(*buf)) < n {
		*buf = make([]byte, n)
	}
	b := (*buf)[:n]
	if m, err := s.r.ReadAt(b, off); err != nil && int64(m) < n {
		if errors.Is(err, io.EOF) {
			return nil, errFrame
		}
		return nil, fmt.Errorf("store: read %s: %w", packName(s.head.number), err)
	}
	return b, nil
}
