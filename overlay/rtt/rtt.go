// Package rtt estimates how long answers take, in the manner of RFC 6298: a
// smoothed round trip and its mean deviation. Start at [Estimate].
package rtt

import "time"

// Estimate is the smoothed round trip and its mean deviation, with the gains of
// RFC 6298, section 2.3. The zero value has seen no answer yet.
type Estimate struct {
	smoothed, deviation time.Duration
}

// Observe takes a round trip into the estimate.
func (e *Estimate) Observe(rtt time.Duration) {
	if e.smoothed == 0 {
		e.smoothed, e.deviation = rtt, rtt/2
		return
	}
	e.deviation += ((e.smoothed - rtt).Abs() - e.deviation) / 4
	e.smoothed += (rtt - e.smoothed) / 8
}

// Smoothed is the time that answers take in the mean; 0 before the first.
func (e *Estimate) Smoothed() time.Duration { return e.smoothed }

// Usual is the time within which nearly all answers come: the mean and four
// deviations. 0 before the first.
func (e *Estimate) Usual() time.Duration { return e.smoothed + 4*e.deviation }
