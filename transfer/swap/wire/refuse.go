package wire

import "strconv"

// Reason says why a Want is refused. A receiver takes a reason that it does not
// know as ReasonNotHave.
type Reason uint64

const (
	// ReasonNotHave means that the holder does not have the block, or no longer.
	ReasonNotHave Reason = 0
	// ReasonBusy means that too many Wants are waiting: ask again later, and for less.
	ReasonBusy Reason = 1
	// ReasonChanged means that the file that held the block has changed.
	ReasonChanged Reason = 2
	// ReasonRange means that the range ends beyond the block.
	ReasonRange Reason = 3
	// ReasonTooLarge means that the block is larger than MaxBlock.
	ReasonTooLarge Reason = 4
	// ReasonClosed means that the holder serves nobody now.
	ReasonClosed Reason = 5
	// ReasonCanceled means that a Cancel came before the answer was complete.
	ReasonCanceled Reason = 6
	// ReasonFailed means that the holder could not read the block.
	ReasonFailed Reason = 7
)

func (r Reason) String() string {
	switch r {
	case ReasonNotHave:
		return "not have"
	case ReasonBusy:
		return "busy"
	case ReasonChanged:
		return "changed"
	case ReasonRange:
		return "range"
	case ReasonTooLarge:
		return "too large"
	case ReasonClosed:
		return "closed"
	case ReasonCanceled:
		return "canceled"
	case ReasonFailed:
		return "failed"
	}
	return "reason " + strconv.FormatUint(uint64(r), 10)
}

// Refuse ends a Want without its data, or without the rest of it.
type Refuse struct {
	ID     uint64
	Reason Reason
}

// Append appends the frame to b.
func (m Refuse) Append(b []byte) []byte {
	b = appendHead(b, TypeRefuse, sizeUint(m.ID)+sizeUint(uint64(m.Reason)))
	return appendUint(appendUint(b, m.ID), uint64(m.Reason))
}

// ParseRefuse parses the body of a Refuse frame.
func ParseRefuse(b []byte) (m Refuse, err error) {
	if m.ID, b, err = takeUint(b); err != nil {
		return Refuse{}, err
	}
	r, err := takeOnly(b)
	if err != nil {
		return Refuse{}, err
	}
	m.Reason = Reason(r)
	return m, nil
}
