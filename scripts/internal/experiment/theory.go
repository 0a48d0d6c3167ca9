package experiment

import "math"

// routeLength is the expected length of a lookup among n nodes whose fingers
// halve the way (base 2), or divide it by base: of the log_base n digits of the
// distance, the share 1-1/base is not zero and costs a hop (Stoica et al. 2003,
// section V-C, for base 2).
func routeLength(n float64, base int) float64 {
	return (1 - 1/float64(base)) * math.Log(n) / math.Log(float64(base))
}

// routeWithList is routeLength in base 2 where successor lists of r nodes end
// the lookup early: the last log2 r halvings are saved but for one hop
// (Stoica et al. 2003, section V-E).
func routeWithList(n float64, r int) float64 {
	return routeLength(n, 2) - 0.5*math.Log2(float64(r)) + 1
}

// attackHops is the length of a path in S/Kademlia's example.
const attackHops = 4

// disjointSuccess is the chance that one of d disjoint paths of attackHops hops
// meets none of a share of malicious nodes (Baumgart and Mies 2007, section 4.4).
func disjointSuccess(malicious float64, d int) float64 {
	return 1 - math.Pow(1-math.Pow(1-malicious, attackHops), float64(d))
}

// binomial is the chance of k successes in n trials of chance 1/2: with n = log2 N
// it is the distribution of Chord's path length in base 2.
func binomial(n, k int) float64 {
	ln, _ := math.Lgamma(float64(n + 1))
	lk, _ := math.Lgamma(float64(k + 1))
	lr, _ := math.Lgamma(float64(n - k + 1))
	return math.Exp(ln - lk - lr - float64(n)*math.Ln2)
}

// arcSurvival is the chance that a node has at least x times the mean load when
// the load is spread over c independent random arcs of the ring, each nearly
// exponential: virtual nodes, or copies on successors. It is the survival
// function of a gamma distribution of shape c and mean 1.
func arcSurvival(x float64, c int) float64 {
	rate := float64(c) * x
	term, sum := math.Exp(-rate), 0.0
	for i := range c {
		sum += term
		term *= rate / float64(i+1)
	}
	return sum
}
