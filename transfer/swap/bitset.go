package swap

import "math/bits"

// bitset is a set of chunk indexes below a fixed size. Bit i is bit i%8, least
// significant first, of byte i/8: the order of the wire.
type bitset struct {
	b     []byte
	size  int
	count int
}

func newBitset(size int) *bitset { return &bitset{b: make([]byte, (size+7)/8), size: size} }

func (s *bitset) has(i int) bool { return i >= 0 && i < s.size && s.b[i/8]&(1<<(i%8)) != 0 }

// set adds i and reports whether it was new; indexes beyond the size are not.
func (s *bitset) set(i int) bool {
	if i < 0 || i >= s.size || s.has(i) {
		return false
	}
	s.b[i/8] |= 1 << (i % 8)
	s.count++
	return true
}

// clear removes i.
func (s *bitset) clear(i int) {
	if s.has(i) {
		s.b[i/8] &^= 1 << (i % 8)
		s.count--
	}
}

func (s *bitset) clone() *bitset {
	return &bitset{b: append([]byte(nil), s.b...), size: s.size, count: s.count}
}

// next returns the smallest member that is at least i, or -1.
func (s *bitset) next(i int) int {
	for i = max(i, 0); i < s.size; {
		if w := s.b[i/8] >> (i % 8); w != 0 {
			return i + bits.TrailingZeros8(w)
		}
		i = (i/8 + 1) * 8
	}
	return -1
}
