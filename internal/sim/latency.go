package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Latency says how long a message takes from one node to another, by their
// numbers.
type Latency interface {
	// Delay is one way of one message. The source is the message's own.
	Delay(from, to uint32, rng *rand.Rand) time.Duration
	// Least is a delay that no message falls below; 0 if there is none. The longer it
	// is, the more of a run can be done at once.
	Least() time.Duration
	// Mean is the mean of Delay.
	Mean(from, to uint32) time.Duration
}

// seeded is a Latency that places nodes at random: it is given the run's seed
// before use.
type seeded interface{ seed(seed uint64) Latency }

// Constant is the same for every message.
type Constant time.Duration

// Delay implements [Latency].
func (c Constant) Delay(_, _ uint32, _ *rand.Rand) time.Duration { return time.Duration(c) }

// Mean implements [Latency].
func (c Constant) Mean(_, _ uint32) time.Duration { return time.Duration(c) }

// Least implements [Latency].
func (c Constant) Least() time.Duration { return time.Duration(c) }

// Validate reports a delay that is not positive.
func (c Constant) Validate() error { return span("Latency", time.Duration(c)) }

// Exponential is an exponentially distributed delay with this mean, for each
// message anew: what the simulations of Chord's paper use (Stoica et al. 2003,
// section VI).
type Exponential time.Duration

// Delay implements [Latency].
func (e Exponential) Delay(_, _ uint32, rng *rand.Rand) time.Duration {
	return time.Duration(float64(e) * rng.ExpFloat64())
}

// Mean implements [Latency].
func (e Exponential) Mean(_, _ uint32) time.Duration { return time.Duration(e) }

// Least implements [Latency].
func (e Exponential) Least() time.Duration { return 0 }

// Validate reports a mean that is not positive.
func (e Exponential) Validate() error { return span("Latency", time.Duration(e)) }

// Space places every node at a random point of a cube; messages take time in
// proportion to the distance (Chord's paper, Table IV). Mean1 is the mean one-way
// delay between two random nodes.
type Space struct {
	Mean1 time.Duration
	key   uint64
}

// meanDistance is that of two random points of the unit cube (Robbins 1978).
const meanDistance = 0.6617071822

func (s Space) seed(seed uint64) Latency { s.key = seed; return s }

// point is where a node is: it is computed whenever it is asked for.
func (s Space) point(n uint32) [3]float64 {
	h := mix(s.key, uint64(n))
	const bits = 21
	const unit = 1.0 / (1 << bits)
	return [3]float64{
		float64(h&(1<<bits-1)) * unit,
		float64(h>>bits&(1<<bits-1)) * unit,
		float64(h>>(2*bits)&(1<<bits-1)) * unit,
	}
}

// Delay implements [Latency].
func (s Space) Delay(from, to uint32, _ *rand.Rand) time.Duration { return s.Mean(from, to) }

// Mean implements [Latency].
func (s Space) Mean(from, to uint32) time.Duration {
	a, b := s.point(from), s.point(to)
	x, y, z := a[0]-b[0], a[1]-b[1], a[2]-b[2]
	return time.Duration(float64(s.Mean1) / meanDistance * math.Sqrt(x*x+y*y+z*z))
}

// Least implements [Latency].
func (s Space) Least() time.Duration { return 0 }

// Validate reports a mean that is not positive.
func (s Space) Validate() error { return span("Latency.Mean1", s.Mean1) }
