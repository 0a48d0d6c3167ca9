package experiment

import (
	"math"
	"testing"
)

func TestFormulas(t *testing.T) {
	for _, c := range []struct {
		name           string
		got, want, tol float64
	}{
		{"1/2 log2 2^12", routeLength(4096, 2), 6, 1e-12},
		{"15/16 log16 16^5", routeLength(math.Pow(16, 5), 16), 75.0 / 16, 1e-12},
		{"with a list of 20 at 1,000 (the paper: 3.82)", routeWithList(1000, 20), 3.82, .005},
		{"S/Kademlia, 20 %, 4 hops, d = 1 (published: 41 %)", disjointSuccess(.2, 1), .41, .005},
		{"S/Kademlia, 20 %, 4 hops, d = 8 (published: 98.5 %)", disjointSuccess(.2, 8), .985, .0005},
		{"no liars", disjointSuccess(0, 1), 1, 0},
		{"binomial", binomial(12, 6), 924.0 / 4096, 1e-12},
		{"one arc", arcSurvival(2, 1), math.Exp(-2), 1e-12},
		{"two arcs", arcSurvival(1, 2), 3 * math.Exp(-2), 1e-12},
		{"ln 100 is the 99th percentile", arcSurvival(math.Log(100), 1), .01, 1e-12},
	} {
		if math.Abs(c.got-c.want) > c.tol {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	sum := 0.0
	for k := range 13 {
		sum += binomial(12, k)
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("a binomial distribution sums up to %v", sum)
	}
}

func TestQuantile(t *testing.T) {
	values := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for q, want := range map[float64]int{0: 1, .1: 1, .11: 2, .5: 5, .99: 10, 1: 10} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
}
