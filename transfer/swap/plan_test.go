package swap

import (
	"context"
	"testing"

	"ringswap/transfer/swap/wire"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// sizes is a Source that knows how long blocks are, and nothing else.
type sizes map[cid.Cid]int

func (s sizes) Size(_ context.Context, c cid.Cid) (int, error)            { return s[c], nil }
func (sizes) ReadAt(context.Context, cid.Cid, []byte, int64) (int, error) { return 0, ErrNotHave }
func (sizes) Swarm(cid.Cid) *Holding                                      { return nil }
func (s sizes) add(name string, size int) cid.Cid {
	h, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	c := cid.NewCidV1(cid.Raw, h)
	s[c] = size
	return c
}

// TestTurnsEndWithBlocks: a turn goes over the end of small blocks only. What is
// given in turns is then whole when it ends, and not also the beginning of the next.
func TestTurnsEndWithBlocks(t *testing.T) {
	src := sizes{}
	srv := &Server{src: src, throttle: NewThrottle(Unlimited), roots: &rootLimits{}}
	large, next := src.add("large", 160<<10), src.add("next", 1<<20)
	small, tiny := src.add("small", 40<<10), src.add("tiny", 8<<10)
	for _, c := range []struct {
		name  string
		wants []wire.Want
		bytes int
	}{
		{"one range, as much as there is room for", []wire.Want{{Cid: next, Length: 1 << 20}}, maxTurn},
		{"the end of a block, not the next", []wire.Want{{Cid: large, Offset: 64 << 10, Length: 96 << 10}, {Cid: next, Length: 1 << 20}}, 96 << 10},
		{"two ranges of a block, not the next", []wire.Want{{Cid: large, Length: 64 << 10}, {Cid: large, Offset: 64 << 10, Length: 96 << 10}, {Cid: next, Length: 1 << 20}}, 160 << 10},
		{"a whole block", []wire.Want{{Cid: large}, {Cid: next}}, 160 << 10},
		{"a range that ends within a block", []wire.Want{{Cid: large, Length: 96 << 10}, {Cid: next, Length: 1 << 20}}, maxTurn},
		{"small blocks together", []wire.Want{{Cid: small}, {Cid: tiny}, {Cid: small}}, 88 << 10},
	} {
		u := &upstream{srv: srv, turn: maxTurn, byID: map[uint64]*upWant{}}
		for i, w := range c.wants {
			w.ID = uint64(i)
			u.wants = append(u.wants, &upWant{Want: w})
		}
		pieces, done := u.plan(t.Context(), next)
		if got := total(pieces); got != c.bytes || done {
			t.Errorf("%s: a turn of %d bytes, done %v, want %d", c.name, got, done, c.bytes)
		}
	}
}
