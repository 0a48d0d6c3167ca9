package experiment

import (
	"cmp"
	"fmt"
	"math"
)

// quantile is the smallest value that at least the share q of the sorted values
// does not exceed. There must be one.
func quantile[T cmp.Ordered](sorted []T, q float64) T {
	i := int(q*float64(len(sorted))+0.9999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

func mean[T int | float64](values []T) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += float64(v)
	}
	return sum / float64(len(values))
}

// poisson is the interval that holds the expectation of a count of k rare events
// with a probability of about 95 %, by Wilson and Hilferty's approximation of the
// exact one (Garwood 1936).
func poisson(k int) (lo, hi float64) {
	const z = 1.96
	bound := func(n, z float64) float64 { return n * math.Pow(1-1/(9*n)+z/(3*math.Sqrt(n)), 3) }
	if k > 0 {
		lo = bound(float64(k), -z)
	}
	return lo, bound(float64(k+1), z)
}

// within reports, as an error that names the flag, that a number is out of its
// range.
func within[T cmp.Ordered](flag string, v, lo, hi T) error {
	if v < lo || v > hi {
		return fmt.Errorf("--%s is %v, must be %v to %v", flag, v, lo, hi)
	}
	return nil
}
