package store

import (
	"encoding/binary"
	"slices"
)

// apply enters a record of the log into the tables. It is the only way that
// records get meaning: for a call that appends one, for the replay of a tail
// after a crash, and for a rebuild from nothing. errBody means that the record
// is sound but says nothing sensible, which another version may have meant.
func (t *tables) apply(rec record) error {
	switch rec.typ {
	case recBlock:
		return t.applyBlock(rec)
	case recFile:
		return t.applyFile(rec)
	case recRefs:
		return t.applyRefs(rec)
	case recRoot:
		return t.applyNamed(keyRoot, rec)
	case recPin:
		return t.applyNamed(keyPin, rec)
	case recDrop:
		return t.applyDrop(rec)
	case recPack:
		return t.applyPack(rec)
	}
	return nil // a mark is for the scan of a tail only
}

func (t *tables) applyBlock(rec record) error {
	key := string(blockKey(nil, string(rec.key), owned))
	if err := t.disown(key); err != nil {
		return err
	}
	p := place{pos: rec.pos, epoch: t.m.epoch, offset: rec.pos.off() + rec.bodyOff(), length: rec.length}
	t.set(key, p.value())
	t.m.owned += int64(p.length)
	return nil
}

// disown takes what is under the key of an owned block off the sum of owned bytes.
func (t *tables) disown(key string) error {
	v, err := t.get(key)
	if err != nil || v == nil {
		return err
	}
	p, err := parsePlace(owned, v)
	if err != nil {
		return err
	}
	t.m.owned -= int64(p.length)
	return nil
}

func (t *tables) applyFile(rec record) error {
	m, err := parseFileBody(rec.body)
	if err != nil {
		return err
	}
	t.set(fileKey(m.id), append(stamp(rec.pos, t.m.epoch), rec.body...))
	t.useFileID(m.id)
	id, err := t.fileAt(m.file.Path)
	if err == nil && id < m.id {
		t.set(nameKey(m.file.Path), binary.BigEndian.AppendUint64(nil, m.id))
	}
	return err
}

// useFileID sees to it that an id is never given to two files: records of the
// first that are still in some pack would speak of the second.
func (t *tables) useFileID(id uint64) { t.m.nextFile = max(t.m.nextFile, id+1) }

// fileAt returns the id of the file that is registered under a path, 0 if none.
func (t *tables) fileAt(path string) (uint64, error) {
	v, err := t.get(nameKey(path))
	if err != nil || v == nil {
		return 0, err
	}
	if len(v) != idLen {
		return 0, errValue
	}
	return binary.BigEndian.Uint64(v), nil
}

// file returns a registered file; ok is false if there is none of that id.
func (t *tables) file(id uint64) (m fileBody, ok bool, err error) {
	v, err := t.get(fileKey(id))
	if err != nil || v == nil {
		return fileBody{}, false, err
	}
	_, _, body, err := parseStamp(v)
	if err != nil {
		return fileBody{}, false, err
	}
	m, err = parseFileBody(body)
	return m, err == nil, err
}

func (t *tables) applyRefs(rec record) error {
	m, err := parseRefsBody(rec.body)
	if err != nil {
		return err
	}
	t.useFileID(m.file)
	for _, r := range m.refs {
		p := place{file: m.file, pos: rec.pos, epoch: t.m.epoch, offset: r.offset, length: r.length}
		t.set(string(blockKey(nil, r.hash, m.file)), p.value())
	}
	return nil
}

func (t *tables) applyNamed(kind byte, rec record) error {
	c, err := namedCid(rec.body)
	if err != nil {
		return err
	}
	t.set(string(kind)+c.KeyString(), append(stamp(rec.pos, t.m.epoch), rec.body...))
	return nil
}

func (t *tables) applyDrop(rec record) error {
	m, err := parseDropBody(rec.body)
	if err != nil {
		return err
	}
	for _, d := range m.drops {
		if d.at == 0 {
			d.at = rec.pos
		}
		if err := t.drop(d); err != nil {
			return err
		}
	}
	return nil
}

// drop takes the entry away if it is older than the drop.
func (t *tables) drop(d dropEntry) error {
	switch d.key[0] {
	case keyFile:
		t.useFileID(binary.BigEndian.Uint64([]byte(d.key[1:])))
	case keyBlock:
		_, file, _ := splitBlockKey(d.key)
		t.useFileID(file)
	}
	v, err := t.get(d.key)
	if err != nil || v == nil {
		return err
	}
	pos, _, body, err := parseStamp(v)
	if err != nil || pos >= d.at {
		return err
	}
	switch d.key[0] {
	case keyBlock:
		if _, file, _ := splitBlockKey(d.key); file == owned {
			if err := t.disown(d.key); err != nil {
				return err
			}
		}
	case keyFile:
		if err := t.unname(body); err != nil {
			return err
		}
	}
	t.set(d.key, nil)
	t.recent.dropped()
	return nil
}

// unname frees the path of a file that is dropped, unless another has it.
func (t *tables) unname(body []byte) error {
	m, err := parseFileBody(body)
	if err != nil {
		return err
	}
	id, err := t.fileAt(m.file.Path)
	if err == nil && id == m.id {
		t.set(nameKey(m.file.Path), nil)
	}
	return err
}

func (t *tables) applyPack(rec record) error {
	m, err := parsePackBody(rec.body)
	if err != nil {
		return err
	}
	t.m.emptying = slices.DeleteFunc(slices.Clone(t.m.emptying), func(n uint32) bool { return n == m.pack })
	if m.state == packEmptying {
		t.m.emptying = append(t.m.emptying, m.pack)
	}
	return nil
}
