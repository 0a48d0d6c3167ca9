package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/ipfs/go-cid"
)

// hashSet is a set of multihashes in 8 to 16 bytes each. It keeps a keyed
// 64-bit fingerprint of them: of n members, one that was never added is taken
// for a member once in 2^64/n, which keeps a piece of garbage until the next
// collection and never loses anything.
type hashSet struct {
	seed  maphash.Seed
	slots []uint64 // open addressing; 0: free
	n     int
}

func newHashSet() hashSet {
	return hashSet{seed: maphash.MakeSeed(), slots: make([]uint64, 1<<10)}
}

func (s *hashSet) print(hash string) uint64 { return max(maphash.String(s.seed, hash), 1) }

// add reports whether the hash is new.
func (s *hashSet) add(hash string) bool {
	if !s.put(s.print(hash)) {
		return false
	}
	s.n++
	if s.n*8 > len(s.slots)*7 {
		old := s.slots
		s.slots = make([]uint64, 2*len(old))
		for _, p := range old {
			if p != 0 {
				s.put(p)
			}
		}
	}
	return true
}

func (s *hashSet) put(p uint64) bool {
	i := s.find(p)
	if s.slots[i] == p {
		return false
	}
	s.slots[i] = p
	return true
}

// find returns the slot that holds p, or the free one where it belongs.
func (s *hashSet) find(p uint64) int {
	mask := uint64(len(s.slots) - 1)
	i := p & mask
	for s.slots[i] != 0 && s.slots[i] != p {
		i = (i + 1) & mask
	}
	return int(i)
}

func (s *hashSet) has(hash string) bool { return s.slots[s.find(s.print(hash))] != 0 }

// listRoots puts all roots and pins on the stack. Those that are added
// meanwhile come through collector.reached.
func (s *Store) listRoots(ctx context.Context, c *cycle) error {
	c.stack = c.stack[:0]
	for r, err := range s.Roots(ctx) {
		if err != nil {
			return err
		}
		c.stack = append(c.stack, r.Cid)
	}
	for p, err := range s.Pins(ctx) {
		if err != nil {
			return err
		}
		c.stack = append(c.stack, p.Cid)
	}
	return nil
}

// mark follows links from what is on the stack.
func (s *Store) mark(ctx context.Context, c *cycle) error { return s.markFrom(ctx, c, nil) }

// markLate marks what hangs below roots and pins that came after marking was
// done. It keeps the census true: files of newly reached blocks are in use.
func (s *Store) markLate(ctx context.Context, c *cycle) error {
	c.stack = append(c.stack, s.gc.takeLate()...)
	return s.markFrom(ctx, c, func(hash string) error {
		return s.healing(func(t *tables) error {
			err := s.eachPlace(t, hash, func(p place) (bool, error) {
				c.inUse[p.file] = struct{}{}
				return false, nil
			})
			if err == errNoPlace { //nolint:errorlint // it is compared where it is made
				err = nil
			}
			return err
		})
	})
}

// markFrom empties the stack. Fresh, if not nil, is called for every hash that
// was not reached before.
func (s *Store) markFrom(ctx context.Context, c *cycle, fresh func(hash string) error) error {
	reach := func(x cid.Cid) error {
		hash, in, err := hashOf(x)
		if err != nil || in || !c.marks.add(hash) {
			return err
		}
		c.stats.Reached++
		if fresh != nil {
			return fresh(hash)
		}
		return nil
	}
	for len(c.stack) > 0 {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		x := c.stack[len(c.stack)-1]
		if err := s.expand(ctx, c, x, reach); err != nil {
			return err
		}
	}
	return nil
}

// expand reaches the top of the stack, and replaces it by those of its links
// that have links themselves. After an error it is still there.
func (s *Store) expand(ctx context.Context, c *cycle, x cid.Cid, reach func(cid.Cid) error) error {
	if err := reach(x); err != nil {
		return err
	}
	_, done := c.expanded[x.KeyString()]
	if done || x.Type() == cid.Raw {
		c.stack = c.stack[:len(c.stack)-1]
		return nil
	}
	var links []cid.Cid
	block, err := s.Get(ctx, x)
	if err == nil {
		links, err = c.o.Links(x, block)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, ErrClosed) || errors.Is(err, ErrDamagedIndex):
		return err
	case err != nil && !c.o.Force:
		return fmt.Errorf("store: %w: node %s: %w", ErrIncomplete, x, err)
	case err != nil:
		c.stats.Broken++
	}
	c.expanded[x.KeyString()] = struct{}{}
	c.stack = c.stack[:len(c.stack)-1]
	for _, l := range links {
		if l.Type() != cid.Raw {
			if _, ok := c.expanded[l.KeyString()]; !ok {
				c.stack = append(c.stack, l)
			}
			continue
		}
		if err := reach(l); err != nil && !errors.Is(err, ErrBadCid) {
			return err
		}
	}
	if len(c.expanded)%256 == 0 {
		c.report()
	}
	return nil
}
