// Command hops counts the hops of lookups: see [experiment.Hops].
package main

import (
	"ringswap/scripts/internal/experiment"
	"ringswap/scripts/internal/figure"
)

func main() { figure.Main(new(experiment.Hops)) }
