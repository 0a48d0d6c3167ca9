package wire

// Cancel says that the requester no longer wants the answer to a Want. The
// answer is still ended by a last Block or a Refuse, as if it had not been sent.
type Cancel struct{ ID uint64 }

// Append appends the frame to b.
func (m Cancel) Append(b []byte) []byte {
	return appendUint(appendHead(b, TypeCancel, sizeUint(m.ID)), m.ID)
}

// ParseCancel parses the body of a Cancel frame.
func ParseCancel(b []byte) (Cancel, error) {
	id, err := takeOnly(b)
	if err != nil {
		return Cancel{}, err
	}
	return Cancel{ID: id}, nil
}
