package wire

// Status says how much of a root a holder has.
type Status uint64

const (
	// StatusUnknown means that the holder has nothing of this root to give.
	StatusUnknown Status = 0
	// StatusPartial means that it has the chunks of the Bitmap and Have frames that follow.
	StatusPartial Status = 1
	// StatusComplete means that it has every block of the DAG.
	StatusComplete Status = 2
)

// State is the acceptor's first frame, and is sent again when its status
// changes. It replaces every earlier State, Bitmap and Have of the stream.
type State struct {
	Version  uint64 // the version that the rest of the stream speaks, 1 to Hello's
	Features Features
	Status   Status
	Chunks   uint64 // the number of unique leaves, 0 if the holder does not know
}

// Append appends the frame to b.
func (m State) Append(b []byte) []byte {
	n := sizeUint(m.Version) + sizeUint(uint64(m.Features)) + sizeUint(uint64(m.Status)) + sizeUint(m.Chunks)
	b = appendHead(b, TypeState, n)
	b = appendUint(b, m.Version)
	b = appendUint(b, uint64(m.Features))
	b = appendUint(b, uint64(m.Status))
	return appendUint(b, m.Chunks)
}

// ParseState parses the body of a State frame.
func ParseState(b []byte) (m State, err error) {
	var features, status uint64
	if m.Version, b, err = takeUint(b); err != nil {
		return State{}, err
	}
	if features, b, err = takeUint(b); err != nil {
		return State{}, err
	}
	if status, b, err = takeUint(b); err != nil {
		return State{}, err
	}
	if m.Chunks, err = takeOnly(b); err != nil {
		return State{}, err
	}
	m.Features, m.Status = Features(features), Status(status)
	switch {
	case m.Version == 0:
		return State{}, violation("version 0")
	case m.Status > StatusComplete:
		return State{}, violation("status %d", m.Status)
	case m.Status == StatusPartial && (m.Chunks == 0 || m.Chunks > MaxChunks):
		return State{}, violation("a partial holder of %d chunks", m.Chunks)
	}
	return m, nil
}
