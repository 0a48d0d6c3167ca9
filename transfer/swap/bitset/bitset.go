// Package bitset is a set of small numbers, such as the indexes of a file's
// chunks, kept in the order of bits that the swap protocol's Bitmap frame has.
// Start reading at [Set].
package bitset

import (
	"bytes"
	"math/bits"
)

// Set is a set of numbers below a fixed size. A nil Set is not usable; [New]
// makes one. It is not safe for concurrent use.
type Set struct {
	b     []byte
	size  int
	count int
}

// New is the empty set of numbers below size.
func New(size int) *Set { return &Set{b: make([]byte, (size+7)/8), size: size} }

// Size is the bound that every member is below.
func (s *Set) Size() int { return s.size }

// Count is the number of members.
func (s *Set) Count() int { return s.count }

// Bytes are the members as bits: i is bit i%8, least significant first, of byte
// i/8. They belong to the set and change with it.
func (s *Set) Bytes() []byte { return s.b }

// Has reports whether i is a member.
func (s *Set) Has(i int) bool { return i >= 0 && i < s.size && s.b[i/8]&(1<<(i%8)) != 0 }

// Add adds i and reports whether it was new; numbers beyond the size are not.
func (s *Set) Add(i int) bool {
	if i < 0 || i >= s.size || s.Has(i) {
		return false
	}
	s.b[i/8] |= 1 << (i % 8)
	s.count++
	return true
}

// Remove removes i.
func (s *Set) Remove(i int) {
	if s.Has(i) {
		s.b[i/8] &^= 1 << (i % 8)
		s.count--
	}
}

// Clone is a copy that changes by itself.
func (s *Set) Clone() *Set {
	return &Set{b: bytes.Clone(s.b), size: s.size, count: s.count}
}

// Next is the smallest member that is at least i, or -1.
func (s *Set) Next(i int) int {
	for i = max(i, 0); i < s.size; {
		if w := s.b[i/8] >> (i % 8); w != 0 {
			return i + bits.TrailingZeros8(w)
		}
		i = (i/8 + 1) * 8
	}
	return -1
}
