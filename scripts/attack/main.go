// Command attack measures lookups among nodes that lie: see
// [experiment.Attack].
package main

import (
	"ringswap/scripts/internal/experiment"
	"ringswap/scripts/internal/figure"
)

func main() { figure.Main(new(experiment.Attack)) }
