package chord

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ringswap/overlay"
)

// TestMortality: asked at random ages, contacts with an hour to live in the mean are
// trusted for about the part of it that the risk allows, after a change of the weather
// as before; where nobody dies they are trusted for long.
func TestMortality(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var y mortality
	for _, life := range []time.Duration{time.Hour, 10 * time.Minute} {
		for range 10_000 {
			age := time.Duration(rng.Float64() * float64(life) / 2)
			y.observe(age, time.Duration(rng.ExpFloat64()*float64(life)) < age)
		}
		// A death is one however long the node had been dead: ages overstate life a little.
		if got := y.trust(); got < life/3 || got > 2*life/3 {
			t.Errorf("a life of %v is trusted for %v", life, got)
		}
	}
	var calm mortality
	for range 10_000 {
		calm.observe(time.Minute, false)
	}
	if got := calm.trust(); got < 24*time.Hour {
		t.Errorf("where nobody dies, contacts are trusted for %v", got)
	}
	if got := new(mortality).trust(); got < time.Hour {
		t.Errorf("before any request, contacts are trusted for %v", got)
	}
}

// TestOdds: a lookup goes by the nearest contact if all were heard of at the same time,
// by one a little farther that was heard of later, by nobody who has been silent for too
// long, and by successors whenever they were heard of.
func TestOdds(t *testing.T) {
	const now = 1_000_000
	at := func(d uint64) (id overlay.ID) {
		binary.BigEndian.PutUint64(id[:], d<<32)
		return id
	}
	type known struct {
		d     uint64
		age   uint32 // in minutes
		roles role
	}
	for _, c := range []struct {
		name string
		list []known
		want []uint64 // of those before 1000
	}{
		{"the nearest", []known{{100, 5, cached}, {900, 5, cached}, {950, 5, finger}}, []uint64{950, 900, 100}},
		{"a later one", []known{{100, 5, cached}, {900, 1, cached}, {950, 20, cached}}, []uint64{900, 100}},
		{"not much farther", []known{{100, 1, cached}, {950, 20, cached}}, []uint64{950, 100}},
		{"too long ago", []known{{100, 5, cached}, {950, 50, cached}}, []uint64{100}},
		{"a finger in need", []known{{950, 50, finger}}, []uint64{950}},
		{"successors", []known{{900, 1, cached}, {950, 50, successor}}, []uint64{950, 900}},
	} {
		var x index
		for _, k := range c.list {
			e := x.put(&overlay.Contact{ID: at(k.d)})
			e.seen, e.roles = now-60*k.age, k.roles
		}
		m := Machine{now: time.Unix(now, 0), deaths: mortality{deaths: 1, silence: 3600}}
		var got []uint64
		for _, c := range x.preceding(nil, at(1000), 8, m.odds(), nil) {
			got = append(got, head(c.ID)>>32)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: by way of %v, want %v", c.name, got, c.want)
		}
	}
}
