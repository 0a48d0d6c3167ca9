package store

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// choosePacks lists the packs that are worth emptying, the emptiest first: on a
// full disk they are the ones that can be.
func (s *Store) choosePacks(c *cycle) error {
	worth := func(n uint32, size int64) bool {
		return float64(size-c.weight[n]) >= c.o.Garbage*float64(size)
	}
	return s.write(func(*tables) error {
		active := s.log.active.head.number
		if n := c.boundary.pack(); n == active && c.boundary.off() >= s.cfg.PackBytes/16 && worth(n, c.boundary.off()) {
			if err := s.log.rotate(); err != nil && !errors.Is(err, ErrDiskFull) {
				return err
			}
			active = s.log.active.head.number
		}
		for _, n := range s.log.numbers() {
			if n <= c.boundary.pack() && n != active && worth(n, s.log.get(n).size) {
				c.todo = append(c.todo, n)
			}
		}
		slices.SortFunc(c.todo, func(a, b uint32) int { return cmp.Compare(c.weight[a], c.weight[b]) })
		return nil
	})
}

// compact empties the chosen packs and removes them.
func (s *Store) compact(ctx context.Context, c *cycle) error {
	for len(c.todo) > 0 {
		p := s.log.get(c.todo[0])
		if p != nil && p.head.mark != (marker{}) {
			e := emptying{s: s, c: c, p: p}
			worth, err := e.worth(ctx)
			if err == nil && worth {
				err = e.run(ctx)
			}
			if err != nil {
				return err
			}
		}
		c.todo = c.todo[1:]
		c.report()
	}
	return nil
}

// finishEmptying completes the removal of packs that an interruption or a crash
// has left half emptied. Until then such a pack holds second copies of records,
// which a later drop would not name.
func (s *Store) finishEmptying(ctx context.Context, c *cycle) error {
	s.writing.Lock()
	todo := slices.Clone(s.t.Load().m.emptying)
	s.writing.Unlock()
	for _, n := range todo {
		p := s.log.get(n)
		if p == nil || p == s.log.active {
			continue
		}
		if err := (&emptying{s: s, c: c, p: p}).run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// emptying copies what is live in a sealed pack to the end of the log and then
// removes the pack. Everything about it can be repeated: what was copied is
// not live in the old place any more.
type emptying struct {
	s *Store
	c *cycle
	p *pack
	f *os.File
}

// errKeep is returned for a pack that must stay as it is.
var errKeep = errors.New("store: pack has damage and is kept")

// worth looks at all records to find out how much would have to be copied; the
// weights of a cycle leave out drops that are still needed.
func (e *emptying) worth(ctx context.Context) (bool, error) {
	var live int64
	err := e.each(ctx, func(rec record) error {
		n, err := e.liveBytes(rec)
		live += n
		return err
	})
	if errors.Is(err, errKeep) {
		return false, nil
	}
	return float64(e.p.size-live) >= e.c.o.Garbage*float64(e.p.size), err
}

func (e *emptying) liveBytes(rec record) (n int64, err error) {
	err = e.s.healing(func(t *tables) error {
		body, live, err := e.live(t, rec)
		if !live {
			return err
		}
		n = rec.size()
		if rec.typ != recBlock {
			n = int64(frameLen + len(body))
		}
		return err
	})
	return n, err
}

// each calls f for the pack's records, and ends with errKeep if it has damage.
func (e *emptying) each(ctx context.Context, f func(record) error) error {
	file, err := os.Open(e.p.path)
	if err != nil {
		return err
	}
	defer file.Close()
	e.f = file
	sc := &scanner{r: file, head: e.p.head, size: e.p.size, off: packHeadLen}
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		rec, err := sc.next()
		if len(sc.damage) > 0 && !e.c.o.Force {
			return errKeep
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f(rec)
		}
		if err != nil {
			return err
		}
	}
}

// run empties and removes the pack. That of a damaged one is given up.
func (e *emptying) run(ctx context.Context) error {
	if err := e.note(packEmptying); err != nil {
		return err
	}
	err := e.each(ctx, e.move)
	if errors.Is(err, errKeep) {
		e.s.notices.post(Notice{Kind: PackDamaged, Path: e.p.path, Detail: "it keeps its garbage until it is repaired or given up"})
		return e.note(packKept)
	}
	if err != nil {
		return err
	}
	// What was copied must last, and then the word that the pack may go, and then
	// the index that does not know it any more, before it goes.
	if err := e.s.flush(ctx); err != nil {
		return err
	}
	if err := e.note(packRetired); err != nil {
		return err
	}
	p := e.s.log.take(e.p.head.number)
	if err := e.s.flushAll(ctx); err != nil {
		if p != nil {
			e.s.log.putBack(p)
		}
		return err
	}
	if err := e.s.t.Load().disk((*index).flush); err != nil && !indexTrouble(err) {
		return err
	}
	if p != nil {
		e.s.log.unlink(p)
		e.c.stats.Packs++
		e.c.stats.Freed += p.size
	}
	return nil
}

// note records a step in the pack's removal.
func (e *emptying) note(state packState) error {
	return e.s.write(func(t *tables) error {
		return e.s.record(t, recPack, "", packBody{e.p.head.number, state}.encode(), true)
	})
}

// move copies a record, or what is left of it, to the end of the log.
func (e *emptying) move(rec record) error {
	var block []byte
	return e.s.write(func(t *tables) error {
		body, live, err := e.live(t, rec)
		if err != nil || !live {
			return err
		}
		if rec.typ == recBlock {
			if block == nil {
				if block, err = e.readBlock(rec); err != nil {
					return err
				}
			}
			body = block
		}
		return e.s.record(t, rec.typ, string(rec.key), body, true)
	})
}

// readBlock reads the payload of a block and checks it.
func (e *emptying) readBlock(rec record) ([]byte, error) {
	b := make([]byte, rec.length)
	if _, err := e.f.ReadAt(b, rec.pos.off()+rec.bodyOff()); err != nil {
		return nil, err
	}
	if checksum(b) != rec.bodyCRC {
		e.s.bad.add(rec.pos)
		return nil, errKeep
	}
	return b, nil
}

// live reports whether the record still means something, and what of it: of a
// journal record, the body that does.
func (e *emptying) live(t *tables, rec record) (body []byte, live bool, err error) {
	switch rec.typ {
	case recBlock:
		live, err = isAt(t, string(blockKey(nil, string(rec.key), owned)), rec.pos)
		return nil, live, err
	case recRefs:
		return e.liveRefs(t, rec)
	case recDrop:
		return e.liveDrops(rec)
	case recPack:
		return e.livePack(rec)
	case recFile:
		m, err := parseFileBody(rec.body)
		if err != nil {
			return nil, false, nil // it never meant anything
		}
		live, err = isAt(t, fileKey(m.id), rec.pos)
		return rec.body, live, err
	case recRoot, recPin:
		c, err := namedCid(rec.body)
		if err != nil {
			return nil, false, nil // it never meant anything
		}
		kind := map[recordType]rune{recRoot: keyRoot, recPin: keyPin}[rec.typ]
		live, err = isAt(t, string(kind)+c.KeyString(), rec.pos)
		return rec.body, live, err
	}
	return nil, false, nil // a mark
}

// isAt reports whether the index entry is the one that the record at pos made.
func isAt(t *tables, key string, pos logPos) (bool, error) {
	v, err := t.get(key)
	if err != nil || v == nil {
		return false, err
	}
	at, _, _, err := parseStamp(v)
	return at == pos, err
}

func (e *emptying) liveRefs(t *tables, rec record) ([]byte, bool, error) {
	m, err := parseRefsBody(rec.body)
	if err != nil {
		return nil, false, nil // it never meant anything
	}
	if v, err := t.get(fileKey(m.file)); err != nil || v == nil {
		return nil, false, err
	}
	kept := m.refs[:0]
	for _, r := range m.refs {
		ok, err := isAt(t, string(blockKey(nil, r.hash, m.file)), rec.pos)
		if err != nil {
			return nil, false, err
		}
		if ok {
			kept = append(kept, r)
		}
	}
	m.refs = kept
	return m.encode(), len(kept) > 0, nil
}

// liveDrops keeps the drops of things that other packs may still have records of.
func (e *emptying) liveDrops(rec record) ([]byte, bool, error) {
	m, err := parseDropBody(rec.body)
	if err != nil {
		return nil, false, nil // it never meant anything
	}
	kept := m.drops[:0]
	for _, d := range m.drops {
		if !e.s.log.anyBetween(d.from, d.to, e.p.head.number) {
			continue
		}
		if d.at == 0 {
			d.at = rec.pos
		}
		kept = append(kept, d)
	}
	m.drops = kept
	return m.encode(), len(kept) > 0, nil
}

// livePack keeps what is said of packs that are still there.
func (e *emptying) livePack(rec record) ([]byte, bool, error) {
	m, err := parsePackBody(rec.body)
	if err != nil || m.pack == e.p.head.number {
		return nil, false, nil // it never meant anything, or soon will not
	}
	_, err = os.Stat(filepath.Join(e.s.log.dir, packName(m.pack)))
	return rec.body, err == nil, nil
}
