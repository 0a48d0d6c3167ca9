// Command speed times the simulator itself: see [experiment.Speed].
package main

import (
	"ringswap/scripts/internal/experiment"
	"ringswap/scripts/internal/figure"
)

func main() { figure.Main(new(experiment.Speed)) }
