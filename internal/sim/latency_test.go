package sim

import (
	"testing"
	"time"
)

// TestLatencyMeans: every model's delays are positive and have the mean that it
// says, and places depend on the seed.
func TestLatencyMeans(t *testing.T) {
	const mean = 50 * time.Millisecond
	for name, l := range map[string]Latency{
		"constant":    Constant(mean),
		"exponential": Exponential(mean),
		"space":       Space{Mean1: mean},
		"cities":      Cities{Jitter: 5 * time.Millisecond},
	} {
		if s, ok := l.(seeded); ok {
			l = s.seed(1)
			if other := s.seed(2); l.Mean(3, 4) == other.Mean(3, 4) {
				t.Errorf("%s: the place of a node does not depend on the seed", name)
			}
		}
		rng := newRand(9)
		var sum, want time.Duration
		const n = 20_000
		for range n {
			a, b := rng.Uint32(), rng.Uint32()
			d := l.Delay(a, b, rng)
			if d <= 0 || l.Mean(a, b) != l.Mean(b, a) {
				t.Fatalf("%s: %v there, %v and %v in the mean", name, d, l.Mean(a, b), l.Mean(b, a))
			}
			sum, want = sum+d, want+l.Mean(a, b)
		}
		if r := float64(sum) / float64(want); r < .98 || r > 1.02 {
			t.Errorf("%s: the mean is %v, Mean says %v", name, sum/n, want/n)
		}
		if m := want / n; name != "cities" && (m < mean*98/100 || m > mean*102/100) {
			t.Errorf("%s: mean %v, want %v", name, m, mean)
		} else if name == "cities" && (m < 30*time.Millisecond || m > 120*time.Millisecond) {
			t.Errorf("cities: mean %v", m)
		}
	}
}
