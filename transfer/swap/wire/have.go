package wire

// Run is a run of chunk indexes: First, First+1, ..., First+Count-1.
type Run struct{ First, Count uint64 }

// Have adds chunks to those that a partial holder has. Runs ascend and do not
// touch each other, so that every set has one encoding.
type Have struct{ Runs []Run }

// Chunks is the number of chunks that m names.
func (m Have) Chunks() uint64 {
	n := uint64(0)
	for _, r := range m.Runs {
		n += r.Count
	}
	return n
}

// Append appends the frame to b. The runs must be as Have demands, 1 to MaxRuns
// of them.
func (m Have) Append(b []byte) []byte {
	n := 0
	for i, r := range m.Runs {
		n += sizeUint(m.gap(i)) + sizeUint(r.Count)
	}
	b = appendHead(b, TypeHave, n)
	for i, r := range m.Runs {
		b = appendUint(appendUint(b, m.gap(i)), r.Count)
	}
	return b
}

// gap is what is written of run i's start: its distance from the end of the run
// before, less the one chunk that must lie between them.
func (m Have) gap(i int) uint64 {
	if i == 0 {
		return m.Runs[0].First
	}
	before := m.Runs[i-1]
	return m.Runs[i].First - (before.First + before.Count) - 1
}

// ParseHave parses the body of a Have frame.
func ParseHave(b []byte) (Have, error) {
	var m Have
	end := uint64(0)
	for len(b) > 0 {
		if len(m.Runs) == MaxRuns {
			return Have{}, violation("more than %d runs", MaxRuns)
		}
		var first, count uint64
		var err error
		if first, b, err = takeUint(b); err != nil {
			return Have{}, err
		}
		if count, b, err = takeUint(b); err != nil {
			return Have{}, err
		}
		if len(m.Runs) > 0 {
			first += end + 1 // end is at most MaxChunks, first below 2^63
		}
		if count == 0 || first >= MaxChunks || count > MaxChunks-first {
			return Have{}, violation("a run of %d chunks from %d", count, first)
		}
		m.Runs = append(m.Runs, Run{First: first, Count: count})
		end = first + count
	}
	if len(m.Runs) == 0 {
		return Have{}, violation("an empty Have")
	}
	return m, nil
}
