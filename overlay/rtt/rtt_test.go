package rtt_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"ringswap/overlay/rtt"
)

func TestEstimate(t *testing.T) {
	var e rtt.Estimate
	if e.Smoothed() != 0 || e.Usual() != 0 {
		t.Fatal("an estimate before the first answer")
	}
	e.Observe(100 * time.Millisecond)
	if e.Smoothed() != 100*time.Millisecond || e.Usual() != 300*time.Millisecond {
		t.Errorf("after one answer: %v, usually within %v", e.Smoothed(), e.Usual())
	}
	// One of 180 ms: deviation 50 + (80-50)/4 = 57.5, mean 100 + 80/8 = 110.
	e.Observe(180 * time.Millisecond)
	if e.Smoothed() != 110*time.Millisecond || e.Usual() != 340*time.Millisecond {
		t.Errorf("after two answers: %v, usually within %v", e.Smoothed(), e.Usual())
	}
}

// TestUsual: nearly all answers do come within Usual.
func TestUsual(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var e rtt.Estimate
	sample := func() time.Duration {
		return 40*time.Millisecond + time.Duration(rng.ExpFloat64()*float64(15*time.Millisecond))
	}
	for range 100 {
		e.Observe(sample())
	}
	late := 0
	for range 10_000 {
		s := sample()
		if s > e.Usual() {
			late++
		}
		e.Observe(s)
	}
	if late > 500 {
		t.Errorf("%d of 10000 answers came later than usual", late)
	}
}
