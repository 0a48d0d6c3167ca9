package store

import (
	"fmt"

	"github.com/ipfs/go-cid"
)

// Put stores a copy of the block, unless there is one, after checking that data
// hashes to the CID: ErrHashMismatch. It is buffered; Sync makes it durable.
// Garbage collection may take it at once if no root or pin leads to it: see
// [Store.Begin]. It keeps no reference to data.
//
// A block that is already referenced in a user's file is stored all the same:
// an owned copy does not change under our feet.
func (s *Store) Put(c cid.Cid, data []byte) error { return s.put(c, data, false) }

// PutVerified is Put for a block that the caller has verified against its CID, or
// whose CID it has just computed: it is not hashed again. A caller that is wrong
// finds out when the block is read.
func (s *Store) PutVerified(c cid.Cid, data []byte) error { return s.put(c, data, true) }

func (s *Store) put(c cid.Cid, data []byte, verified bool) error {
	hash, in, err := hashOf(c)
	if err != nil {
		return err
	}
	if len(data) > MaxBlockBytes {
		return fmt.Errorf("store: block %s: %w: %d bytes", c, ErrTooLarge, len(data))
	}
	if in {
		if inline(hash) != string(data) {
			return fmt.Errorf("store: block %s: %w", c, ErrHashMismatch)
		}
		return nil
	}
	if !verified && !matches(hash, data) {
		return fmt.Errorf("store: block %s: %w", c, ErrHashMismatch)
	}
	key := string(blockKey(nil, hash, owned))
	return s.write(func(t *tables) error {
		have, err := s.touch(t, key)
		if err != nil || have {
			return err
		}
		need := int64(len(data))
		if quota := s.quota.Load(); quota > 0 && t.m.owned+need > quota {
			return &QuotaError{Quota: quota, Used: t.m.owned, Need: need}
		}
		return s.record(t, recBlock, hash, data, false)
	})
}

// touch reports whether the location is known and of use, and if so keeps it
// from a collection that is running or held back: it is wanted again.
func (s *Store) touch(t *tables, key string) (bool, error) {
	v, err := t.get(key)
	if err != nil || v == nil {
		return false, err
	}
	_, file, _ := splitBlockKey(key)
	p, err := parsePlace(file, v)
	if err != nil {
		return false, err
	}
	if file == owned && s.bad.has(p.pos) {
		return false, nil
	}
	if p.epoch < t.m.epoch {
		p.epoch = t.m.epoch
		t.set(key, p.value())
	}
	return true, nil
}
