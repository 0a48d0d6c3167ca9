package swap

import (
	"slices"

	"ringswap/transfer/swap/wire"
)

// appendHaves appends the Have frames that name the chunks in added, which is
// in any order and has no duplicates.
func appendHaves(b []byte, added []uint32) []byte {
	if len(added) == 0 {
		return b
	}
	sorted := slices.Clone(added)
	slices.Sort(sorted)
	var runs []wire.Run
	for _, i := range sorted {
		if n := len(runs); n > 0 && runs[n-1].First+runs[n-1].Count == uint64(i) {
			runs[n-1].Count++
			continue
		}
		runs = append(runs, wire.Run{First: uint64(i), Count: 1})
	}
	for len(runs) > 0 {
		n := min(len(runs), wire.MaxRuns)
		b = wire.Have{Runs: runs[:n]}.Append(b)
		runs = runs[n:]
	}
	return b
}
