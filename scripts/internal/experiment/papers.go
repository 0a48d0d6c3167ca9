package experiment

// Values that were published, with where they stand.

// chordLoad are multiples of the mean number of keys a node, with 10^4 nodes and
// 5*10^5 keys (Stoica et al. 2003, figures 8 and 9).
var chordLoad = struct{ p99, max, p99Virtual float64 }{4.6, 9.1, 1.6}

// chordFailures are lookups among 1,000 nodes with 20 successors each after a
// share of them failed at once (Stoica et al. 2003, table II): the mean number
// of live nodes asked, and of timeouts.
var chordFailures = []struct{ share, path, timeouts float64 }{
	{0, 3.84, 0}, {.1, 4.03, .60}, {.2, 4.22, 1.17}, {.3, 4.44, 2.02}, {.4, 4.69, 3.23}, {.5, 5.09, 5.10},
}

// chordChurn are lookups among about 1,000 nodes while nodes join, and as many
// leave, at a rate a second (Stoica et al. 2003, table III): the mean path,
// timeouts a lookup, and wrong answers of 10^4.
var chordChurn = []struct {
	rate, path, timeouts float64
	wrong                int
}{
	{.05, 3.90, .05, 0},
	{.10, 3.83, .11, 0},
	{.15, 3.84, .16, 2},
	{.20, 3.81, .23, 5},
	{.25, 3.83, .30, 6},
	{.30, 3.91, .34, 8},
	{.35, 3.94, .42, 16},
	{.40, 4.06, .46, 15},
}

// chordStretch are medians of the latency stretch among 2^16 nodes at random
// places of a cube, each finger the nearest of 16 candidates (Stoica et al. 2003,
// table IV).
var chordStretch = struct{ iterative, recursive float64 }{3.4, 1.7}
