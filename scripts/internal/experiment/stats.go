package experiment

import (
	"cmp"
	"fmt"
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

// within reports, as an error that names the flag, that a number is out of its
// range.
func within[T cmp.Ordered](flag string, v, lo, hi T) error {
	if v < lo || v > hi {
		return fmt.Errorf("--%s is %v, must be %v to %v", flag, v, lo, hi)
	}
	return nil
}
