package wire

// Block carries the next piece of the answer to a Want: the first piece starts
// at the Want's offset, each further one where the one before it ended.
//
// Data is not part of this struct: the frame is this head, and then Len bytes.
type Block struct {
	ID   uint64
	Last bool // the answer is complete with this piece
	Len  int  // bytes of data, at most MaxBlockData; 0 only in a last piece
}

// MaxBlockHead is the most bytes that a Block frame has before its data.
const MaxBlockHead = 2 + 4 + 9 + 1

const blockLast = 1

// AppendHead appends all of the frame but its data.
func (m Block) AppendHead(b []byte) []byte {
	b = appendHead(b, TypeBlock, sizeUint(m.ID)+1+m.Len)
	b = appendUint(b, m.ID)
	if m.Last {
		return append(b, blockLast)
	}
	return append(b, 0)
}

// ParseBlock parses the body of a Block frame. data aliases b.
func ParseBlock(b []byte) (m Block, data []byte, err error) {
	if m.ID, b, err = takeUint(b); err != nil {
		return Block{}, nil, err
	}
	flags, data, err := takeUint(b)
	if err != nil {
		return Block{}, nil, err
	}
	m.Len = len(data)
	return m, data, m.setFlags(flags)
}

// Block reads the head of a Block frame that Next announced; Len bytes of data
// follow, to be read with Data or stepped over with Discard.
func (r *Reader) Block(h Head) (Block, error) {
	id, err := r.uint()
	if err != nil {
		return Block{}, err
	}
	flags, err := r.uint()
	if err != nil {
		return Block{}, err
	}
	m := Block{ID: id, Len: h.Len - sizeUint(id) - sizeUint(flags)}
	return m, m.setFlags(flags)
}

func (m *Block) setFlags(flags uint64) error {
	m.Last = flags == blockLast
	switch {
	case flags > blockLast:
		return violation("block flags %#x", flags)
	case m.Len < 0 || m.Len > MaxBlockData:
		return violation("a block frame with %d bytes", m.Len)
	case m.Len == 0 && !m.Last:
		return violation("an empty piece that is not the last")
	}
	return nil
}
