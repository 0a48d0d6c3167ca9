// Command stretch measures how much longer lookups take than the direct way: see
// [experiment.Stretch].
package main

import (
	"ringswap/scripts/internal/experiment"
	"ringswap/scripts/internal/figure"
)

func main() { figure.Main(new(experiment.Stretch)) }
