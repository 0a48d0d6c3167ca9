package wire

// Bitmap adds chunks to those that a partial holder has. Several frames make up
// the bitmap of a large file.
type Bitmap struct {
	First uint64 // the chunk index of the first bit, a multiple of 8
	Bits  []byte // bit i%8 (least significant first) of byte i/8 is chunk First+i
}

// Append appends the frame to b.
func (m Bitmap) Append(b []byte) []byte {
	b = appendHead(b, TypeBitmap, sizeUint(m.First)+len(m.Bits))
	b = appendUint(b, m.First)
	return append(b, m.Bits...)
}

// ParseBitmap parses the body of a Bitmap frame. Bits aliases b.
func ParseBitmap(b []byte) (Bitmap, error) {
	first, b, err := takeUint(b)
	if err != nil {
		return Bitmap{}, err
	}
	switch {
	case first%8 != 0 || first >= MaxChunks:
		return Bitmap{}, violation("a bitmap from chunk %d", first)
	case len(b) == 0 || len(b) > MaxBitmap:
		return Bitmap{}, violation("a bitmap of %d bytes", len(b))
	case first+8*uint64(len(b)) > MaxChunks:
		return Bitmap{}, violation("a bitmap beyond chunk %d", MaxChunks)
	}
	return Bitmap{First: first, Bits: b}, nil
}
