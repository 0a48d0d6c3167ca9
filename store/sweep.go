package store

import (
	"context"
	"encoding/binary"
	"slices"
)

// pages calls f with the index entries of a kind, page by page, from the
// cycle's cursor on. Between pages it marks below roots and pins that came
// meanwhile. F may ask for the same page again, after such a turn.
func (s *Store) pages(ctx context.Context, c *cycle, prefix string, f func([]entry) (again bool, err error)) error {
	if c.cursor == "" {
		c.cursor = prefix
	}
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := s.markLate(ctx, c); err != nil {
			return err
		}
		var page []entry
		var next string
		if err := s.healing(func(t *tables) (err error) {
			page, next, err = t.page(prefix, c.cursor)
			return err
		}); err != nil {
			return err
		}
		again, err := f(page)
		if err != nil {
			return err
		}
		if again {
			continue
		}
		c.report()
		if next == "" {
			return nil
		}
		c.cursor = next
	}
}

// census finds the files that hold a reached block, or one that is protected.
func (s *Store) census(ctx context.Context, c *cycle) error {
	return s.pages(ctx, c, string(rune(keyBlock)), func(page []entry) (bool, error) {
		for _, e := range page {
			hash, file, p, err := placeOf(e)
			if err != nil {
				return false, err
			}
			if file != owned && (c.marks.has(hash) || p.epoch >= c.below) {
				c.inUse[file] = struct{}{}
			}
		}
		return false, nil
	})
}

func placeOf(e entry) (hash string, file uint64, p place, err error) {
	hash, file, ok := splitBlockKey(e.key)
	if !ok {
		return "", 0, place{}, errValue
	}
	p, err = parsePlace(file, e.v)
	return hash, file, p, err
}

// sweepFiles drops the files that hold nothing reached.
func (s *Store) sweepFiles(ctx context.Context, c *cycle) error {
	return s.pages(ctx, c, string(rune(keyFile)), func(page []entry) (again bool, err error) {
		page = slices.DeleteFunc(page, func(e entry) bool { return c.keepsFile(e.key, e.v) })
		if len(page) == 0 {
			return false, nil
		}
		var gone []uint64
		err = s.write(func(t *tables) error {
			if again = !s.gc.quiet(); again {
				return nil
			}
			gone = gone[:0]
			var m dropBody
			for _, e := range page {
				v, err := t.get(e.key)
				if err != nil {
					return err
				}
				id := binary.BigEndian.Uint64([]byte(e.key[1:]))
				if v == nil || c.keepsFile(e.key, v) || s.subs.importing[id] > 0 {
					continue
				}
				born, err := bornOf(t, e.key)
				if err != nil {
					return err
				}
				m.drops = append(m.drops, dropEntry{key: e.key, from: born, to: s.log.end.pack()})
				gone = append(gone, id)
			}
			return s.recordDrops(t, m)
		})
		for _, id := range gone {
			s.files.forget(id, nil)
		}
		if err == nil && !again {
			c.stats.Files += int64(len(gone))
		}
		return again, err
	})
}

func (s *Store) recordDrops(t *tables, m dropBody) error {
	if len(m.drops) == 0 {
		return nil
	}
	return s.record(t, recDrop, "", m.encode(), true)
}

func (c *cycle) keepsFile(key string, v []byte) bool {
	_, epoch, _, err := parseStamp(v)
	_, used := c.inUse[binary.BigEndian.Uint64([]byte(key[1:]))]
	return used || err != nil || epoch >= c.below
}

// sweepBlocks deletes the locations of blocks that were not reached, and weighs
// the others.
func (s *Store) sweepBlocks(ctx context.Context, c *cycle) error {
	if c.boundary == 0 {
		s.writing.Lock()
		c.boundary = s.log.end
		s.writing.Unlock()
	}
	return s.pages(ctx, c, string(rune(keyBlock)), func(page []entry) (again bool, err error) {
		var drop, dead, live []entry
		err = s.healing(func(t *tables) error {
			drop, dead, live, err = s.sortOut(t, c, page)
			return err
		})
		if err == nil && len(drop)+len(dead) > 0 {
			again, err = s.deletePlaces(c, drop, dead)
		}
		if err != nil || again {
			return again, err
		}
		for _, e := range live {
			hash, file, p, _ := placeOf(e) // parsed before
			n := frameLen + len(hash) + p.length
			if file != owned {
				n = len(hash) + 12 // about what a reference takes in its record
			}
			c.weigh(p.pos, int64(n))
		}
		return false, nil
	})
}

func (c *cycle) weigh(pos logPos, n int64) {
	if pos < c.boundary {
		c.weight[pos.pack()] += n
	}
}

// sortOut parts a page into what may be deleted, what is in dropped files, and
// what stays.
func (s *Store) sortOut(t *tables, c *cycle, page []entry) (drop, dead, live []entry, err error) {
	for _, e := range page {
		hash, file, p, err := placeOf(e)
		if err != nil {
			return nil, nil, nil, err
		}
		dropped, err := c.dropped(t, file)
		switch {
		case err != nil:
			return nil, nil, nil, err
		case dropped:
			dead = append(dead, e)
		case !c.marks.has(hash) && p.epoch < c.below:
			drop = append(drop, e)
		default:
			live = append(live, e)
		}
	}
	return drop, dead, live, nil
}

// dropped reports whether a file is not registered any more.
func (c *cycle) dropped(t *tables, file uint64) (bool, error) {
	if file == owned {
		return false, nil
	}
	if d, ok := c.dead[file]; ok {
		return d, nil
	}
	v, err := t.get(fileKey(file))
	if err == nil {
		c.dead[file] = v == nil
	}
	return v == nil, err
}

// deletePlaces deletes locations, unless something has come to need them, and
// dead ones, which nothing ever will.
func (s *Store) deletePlaces(c *cycle, drop, dead []entry) (again bool, err error) {
	var sum GCStats
	err = s.write(func(t *tables) error {
		sum = GCStats{}
		if again = !s.gc.quiet(); again {
			return nil
		}
		for _, e := range dead {
			t.set(e.key, nil) // the drop of the file has said it in the log
		}
		var m dropBody
		for _, e := range drop {
			d, err := s.unneeded(t, c, e, &sum)
			if err != nil {
				return err
			}
			if d.key != "" {
				m.drops = append(m.drops, d)
			}
		}
		return s.recordDrops(t, m)
	})
	c.stats.Blocks += sum.Blocks
	c.stats.Bytes += sum.Bytes
	c.stats.Refs += sum.Refs
	return again, err
}

// unneeded looks at a location once more, under the write lock, and returns its
// drop, empty if there is none to record.
func (s *Store) unneeded(t *tables, c *cycle, e entry, sum *GCStats) (d dropEntry, err error) {
	v, err := t.get(e.key)
	if err != nil || v == nil {
		return d, err
	}
	hash, file, p, err := placeOf(entry{e.key, v})
	if err != nil {
		return d, err
	}
	m, registered, err := t.file(file)
	if err != nil {
		return d, err
	}
	if file != owned && !registered || c.marks.has(hash) || p.epoch >= c.below {
		return d, nil
	}
	if file == owned {
		sum.Blocks++
		sum.Bytes += int64(p.length)
		return dropEntry{key: e.key, from: p.pos.pack(), to: p.pos.pack()}, nil
	}
	sum.Refs++
	return dropEntry{key: e.key, from: m.born, to: s.log.end.pack()}, nil
}

// weighNamed adds the records of files, roots and pins to the weights, and
// then chooses the packs to empty.
func (s *Store) weighNamed(ctx context.Context, c *cycle) error {
	named := map[uint32]int64{} // apart, so that an interruption adds nothing twice
	for _, kind := range []rune{keyFile, keyRoot, keyPin} {
		c.cursor = ""
		if err := s.pages(ctx, c, string(kind), func(page []entry) (bool, error) {
			for _, e := range page {
				pos, _, body, err := parseStamp(e.v)
				if err != nil {
					return false, err
				}
				if pos < c.boundary {
					named[pos.pack()] += int64(frameLen + len(body))
				}
			}
			return false, nil
		}); err != nil {
			return err
		}
	}
	for n, bytes := range named {
		c.weight[n] += bytes
	}
	return s.choosePacks(c)
}
