// Command load measures how evenly keys are spread over nodes: see
// [experiment.Load].
package main

import (
	"ringswap/scripts/internal/experiment"
	"ringswap/scripts/internal/figure"
)

func main() { figure.Main(new(experiment.Load)) }
