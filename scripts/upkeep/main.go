// Command upkeep measures what it costs to keep an overlay up: see
// [experiment.Upkeep].
package main

import (
	"ringswap/scripts/internal/experiment"
	"ringswap/scripts/internal/figure"
)

func main() { figure.Main(new(experiment.Upkeep)) }
