package chord

import (
	"math/rand/v2"
	"testing"
	"time"
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
		if got := y.trust(); got < life/4 || got > life/2 {
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
