package pick

import (
	"math/rand/v2"

	"ringswap/transfer/swap/bitset"
)

// Spread is what the first holder of everything names to whom (super-seeding), so
// that it sends each chunk once before it sends any twice: every peer is told of
// other chunks, a few at a time, and gets the rest from the others. It ends when
// twice as many bytes were sent as there are; then all is named to everyone.
//
// A peer that comes while no other is there is told everything: there is nobody
// to get the rest from. One that has nothing left to ask for is told of twice as
// many next time, so that a fast line does not wait, and one that has gets what
// it lacks, in whatever order it wants it, soon. Like a Picker it is pure and has
// one owner.
type Spread struct {
	cfg     SpreadConfig
	told    []uint16 // to how many peers each chunk was named
	readers int
	sent    int64
}

// SpreadConfig is what a Spread goes by. Every field must be set.
type SpreadConfig struct {
	Chunks int   // of the DAG, at most MaxSpread
	Size   int64 // bytes of all chunks
	Rand   *rand.Rand
}

// MaxSpread is the most chunks of which a Spread keeps who knows them.
const MaxSpread = 1 << 16

// spreadAhead is how many chunks a peer knows at first beyond what it was sent.
const spreadAhead = 2

// NewSpread begins to spread.
func NewSpread(cfg SpreadConfig) *Spread {
	return &Spread{cfg: cfg, told: make([]uint16, cfg.Chunks)}
}

// spreadRounds is after how many times the size of everything it ends: the second
// round still takes a tenth off what free riders cost.
const spreadRounds = 2

// Over reports whether everyone is to be told of everything.
func (s *Spread) Over() bool { return s.sent >= spreadRounds*s.cfg.Size }

// Join returns a new peer's view, nil if it is to be told of everything. The owner
// owes a Leave in either case.
func (s *Spread) Join() *View {
	s.readers++
	if s.readers == 1 || s.Over() {
		return nil
	}
	return &View{s: s, told: bitset.New(s.cfg.Chunks), ahead: spreadAhead}
}

// Leave notes that a peer went away.
func (s *Spread) Leave() { s.readers-- }

// Sent notes bytes that were sent to any peer.
func (s *Spread) Sent(bytes int64) { s.sent += bytes }

// View is what one peer was told of.
type View struct {
	s     *Spread
	told  *bitset.Set
	ahead int
	sent  int64
}

// Sent notes bytes that were sent to the peer of the view; they count for the
// Spread too.
func (v *View) Sent(bytes int64) {
	v.sent += bytes
	v.s.Sent(bytes)
}

// Next returns the chunks that the peer is to be told of now, rarely named ones
// first. dry says that it asks for nothing, idle that it does so though it was told
// of the last ones a while ago.
func (v *View) Next(dry, idle bool) (chunks []int) {
	known := v.told.Count()
	given := int(v.sent * int64(v.s.cfg.Chunks) / max(v.s.cfg.Size, 1))
	if dry && known > 0 && (idle || given+v.ahead > known) {
		v.ahead = min(2*v.ahead, v.s.cfg.Chunks)
	}
	want := given + v.ahead - known
	if dry && idle && known > 0 {
		want = v.ahead // it got what it knows of from others
	}
	for range min(want, v.s.cfg.Chunks-known) {
		i := v.rarest()
		v.told.Add(i)
		v.s.told[i]++
		chunks = append(chunks, i)
	}
	return chunks
}

// rarest returns a chunk that the fewest peers were told of, and this one not.
// There must be one.
func (v *View) rarest() int {
	best, ties := -1, 1
	for i, n := range v.s.told {
		switch {
		case v.told.Has(i):
		case best < 0 || n < v.s.told[best]:
			best, ties = i, 1
		case n == v.s.told[best]:
			if ties++; v.s.cfg.Rand.IntN(ties) == 0 {
				best = i
			}
		}
	}
	return best
}
