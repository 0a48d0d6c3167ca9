package wire

import "strconv"

// ChokeReason says why a requester waits. A receiver takes a reason that it does
// not know as ChokeTurn.
type ChokeReason uint64

const (
	// ChokeTurn means that others come first for now.
	ChokeTurn ChokeReason = 0
	// ChokeCredit means that the requester has had what this holder gives for
	// nothing, and gets more by giving, here or to whoever vouches for it here.
	ChokeCredit ChokeReason = 1
)

func (r ChokeReason) String() string {
	switch r {
	case ChokeTurn:
		return "others come first"
	case ChokeCredit:
		return "it must give first"
	}
	return "reason " + strconv.FormatUint(uint64(r), 10)
}

// Choke says that the requester's Wants, those that are open and those to come,
// wait until Unchoke, and that it does better to ask others meanwhile. It refuses
// nothing: a Want stays open until it is answered or cancelled. Credit and Sent are
// for people to look at.
type Choke struct {
	Reason ChokeReason
	Credit uint64 // bytes that the holder counts for the requester
	Sent   uint64 // bytes that it has sent to it, over all swarms
}

// Append appends the frame to b.
func (m Choke) Append(b []byte) []byte {
	b = appendHead(b, TypeChoke, sizeUint(uint64(m.Reason))+sizeUint(m.Credit)+sizeUint(m.Sent))
	b = appendUint(b, uint64(m.Reason))
	return appendUint(appendUint(b, m.Credit), m.Sent)
}

// ParseChoke parses the body of a Choke frame.
func ParseChoke(b []byte) (m Choke, err error) {
	reason, b, err := takeUint(b)
	if err != nil {
		return Choke{}, err
	}
	m.Reason = ChokeReason(reason)
	if m.Credit, b, err = takeUint(b); err != nil {
		return Choke{}, err
	}
	m.Sent, err = takeOnly(b)
	if err != nil {
		return Choke{}, err
	}
	return m, nil
}

// Unchoke ends a Choke: Block frames follow at once.
type Unchoke struct{}

// Append appends the frame to b.
func (Unchoke) Append(b []byte) []byte { return appendHead(b, TypeUnchoke, 0) }

// ParseUnchoke parses the body of an Unchoke frame, which is empty.
func ParseUnchoke(b []byte) (Unchoke, error) {
	if len(b) != 0 {
		return Unchoke{}, violation("%d bytes in Unchoke", len(b))
	}
	return Unchoke{}, nil
}
