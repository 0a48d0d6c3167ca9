// Command failures measures lookups after many nodes failed at once: see
// [experiment.Failures].
package main

import (
	"ringswap/scripts/internal/experiment"
	"ringswap/scripts/internal/figure"
)

func main() { figure.Main(new(experiment.Failures)) }
