package node

import (
	"testing"

	"ringswap/overlay"
)

func TestFingerInterval(t *testing.T) {
	at := func(first ...byte) (d overlay.ID) {
		copy(d[:], first)
		return d
	}
	for _, c := range []struct {
		d          overlay.ID
		bits       int
		row, digit int
		from       overlay.ID
	}{
		{at(0xff, 0xff), 4, 0, 15, at(0xf0)},
		{at(0x80), 4, 0, 8, at(0x80)},
		{at(0x1f), 4, 0, 1, at(0x10)},
		{at(0x0a, 0x77), 4, 1, 10, at(0x0a)},
		{at(0, 0x07), 4, 3, 7, at(0, 0x07)},
		{at(0x7f), 1, 1, 1, at(0x40)},
		{at(0x01, 0x80), 3, 2, 3, at(0x01, 0x80)},
		{at(0, 1), 8, 1, 1, at(0, 1)},
		{at(), 4, 0, 0, at()},
	} {
		row, digit, from := interval(c.bits, c.d)
		if row != c.row || digit != c.digit || from != c.from {
			t.Errorf("%x with %d bits: row %d, digit %d, from %x; want %d, %d, %x",
				c.d[:2], c.bits, row, digit, from[:2], c.row, c.digit, c.from[:2])
		}
	}
}
