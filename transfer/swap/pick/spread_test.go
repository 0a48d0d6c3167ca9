package pick

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func newSpread(chunks int) *Spread {
	return NewSpread(SpreadConfig{Chunks: chunks, Size: int64(chunks) * mb, Rand: rand.New(rand.NewPCG(1, 2))})
}

// TestSpreadNamesEachChunkOnceFirst: of what peers are told no chunk is named a
// second time before every one was named once, however fast each of them is.
func TestSpreadNamesEachChunkOnceFirst(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	s := newSpread(60)
	if s.Join() != nil {
		t.Fatal("the only peer is not told everything")
	}
	views := []*View{s.Join(), s.Join(), s.Join()}
	named, seen := 0, make([]map[int]bool, len(views))
	for !s.Over() {
		i := rng.IntN(len(views)) * rng.IntN(2)
		v := views[i]
		if seen[i] == nil {
			seen[i] = make(map[int]bool)
		}
		for _, c := range v.Next(false, false) {
			if seen[i][c] {
				t.Fatalf("chunk %d was named twice to one peer", c)
			}
			seen[i][c] = true
			named++
		}
		if most, least := slices.Max(s.told), slices.Min(s.told); most > least+1 && named < 60 {
			t.Fatalf("a chunk was named to %d peers, another to %d", most, least)
		}
		if v.told.Count() > 0 {
			v.Sent(mb / 4)
		}
	}
	if named < 60 {
		t.Errorf("over after %d of 60 chunks were named", named)
	}
	if s.Join() != nil {
		t.Error("a peer that comes later is not told everything")
	}
}

// TestSpreadKeepsPeersBusy: a peer always knows of more than it was sent, and one
// that wants none of it knows everything after a few looks.
func TestSpreadKeepsPeersBusy(t *testing.T) {
	s := newSpread(1000)
	s.Join()
	v := s.Join()
	for range 200 {
		v.Next(false, false)
		if v.told.Count()*mb <= int(v.sent) {
			t.Fatalf("%d chunks known, %d bytes sent", v.told.Count(), v.sent)
		}
		v.Sent(mb / 2)
	}
	for range 4 { // a fast line, dry whenever it is told of more
		v.Sent(int64(v.told.Count())*mb - v.sent)
		v.Next(true, false)
	}
	if ahead := v.told.Count() - int(v.sent/mb); ahead < 16 {
		t.Errorf("a fast peer knows of %d chunks more", ahead)
	}
	looks := 0
	for ; v.told.Count() < 1000; looks++ {
		v.Next(true, true)
	}
	if looks > 12 {
		t.Errorf("everything was known after %d looks", looks)
	}
	if more := v.Next(true, true); len(more) > 0 {
		t.Errorf("more than all: %v", more)
	}
}
