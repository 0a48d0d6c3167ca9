package transfer

import (
	"errors"
	"fmt"
	"math/bits"
)

// ErrBadBitmap is returned by ParseBitmap for bytes that are no bitmap of the
// given size.
var ErrBadBitmap = errors.New("not a bitmap of this size")

// Bitmap is a set of chunk numbers below a fixed bound. Its byte form has
// number i in bit i%8, least significant first, of byte i/8. It is not safe for
// concurrent use.
type Bitmap struct {
	bytes []byte
	size  int
	count int
}

// NewBitmap is the empty set of numbers below size.
func NewBitmap(size int) *Bitmap { return &Bitmap{bytes: make([]byte, (size+7)/8), size: size} }

// ParseBitmap reads the byte form of a set of numbers below size, which has
// exactly (size+7)/8 bytes. b is copied.
func ParseBitmap(b []byte, size int) (*Bitmap, error) {
	m := NewBitmap(size)
	if len(b) != len(m.bytes) || size%8 != 0 && b[len(b)-1]>>(size%8) != 0 {
		return nil, fmt.Errorf("%d bytes for %d bits: %w", len(b), size, ErrBadBitmap)
	}
	copy(m.bytes, b)
	for _, v := range b {
		m.count += bits.OnesCount8(v)
	}
	return m, nil
}

// Bytes is the byte form. It is the set's own memory: not to be changed, and
// valid until the next change of the set.
func (m *Bitmap) Bytes() []byte { return m.bytes }

// Len is the bound of the numbers.
func (m *Bitmap) Len() int { return m.size }

// Count is how many numbers are in the set.
func (m *Bitmap) Count() int { return m.count }

// Full reports whether all numbers are in the set.
func (m *Bitmap) Full() bool { return m.count == m.size }

// Has reports whether i is in the set. No number out of bounds is.
func (m *Bitmap) Has(i int) bool {
	return i >= 0 && i < m.size && m.bytes[i/8]>>(i%8)&1 == 1
}

// Set adds i, which must be in bounds, and reports whether that is news.
func (m *Bitmap) Set(i int) bool {
	if m.Has(i) {
		return false
	}
	m.bytes[i/8] |= 1 << (i % 8)
	m.count++
	return true
}

// Clear removes i, if it is there.
func (m *Bitmap) Clear(i int) {
	if m.Has(i) {
		m.bytes[i/8] &^= 1 << (i % 8)
		m.count--
	}
}

// Clone is an independent copy.
func (m *Bitmap) Clone() *Bitmap {
	return &Bitmap{bytes: append([]byte(nil), m.bytes...), size: m.size, count: m.count}
}
