package wire

import "github.com/ipfs/go-cid"

// Want asks for a range of a block. It is answered by Block frames up to one
// marked last, or by one Refuse; nothing else ends it.
type Want struct {
	ID     uint64 // chosen by the requester, not used by another unanswered Want
	Cid    cid.Cid
	Offset uint64
	Length uint64 // 1 to MaxRange; 0 with offset 0 asks for the whole block
}

// Append appends the frame to b.
func (m Want) Append(b []byte) []byte {
	c := m.Cid.Bytes()
	n := sizeUint(m.ID) + sizeUint(uint64(len(c))) + len(c) + sizeUint(m.Offset) + sizeUint(m.Length)
	b = appendHead(b, TypeWant, n)
	b = appendUint(b, m.ID)
	b = appendBytes(b, c)
	b = appendUint(b, m.Offset)
	return appendUint(b, m.Length)
}

// ParseWant parses the body of a Want frame.
func ParseWant(b []byte) (m Want, err error) {
	if m.ID, b, err = takeUint(b); err != nil {
		return Want{}, err
	}
	if m.Cid, b, err = takeCid(b); err != nil {
		return Want{}, err
	}
	if m.Offset, b, err = takeUint(b); err != nil {
		return Want{}, err
	}
	if m.Length, err = takeOnly(b); err != nil {
		return Want{}, err
	}
	switch {
	case m.Length > MaxRange:
		return Want{}, violation("a range of %d bytes", m.Length)
	case m.Length == 0 && m.Offset != 0:
		return Want{}, violation("an empty range at %d", m.Offset)
	case m.Offset > MaxBlock || m.Offset+m.Length > MaxBlock:
		return Want{}, violation("a range up to byte %d", m.Offset+m.Length)
	}
	return m, nil
}
