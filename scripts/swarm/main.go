// Command swarm shows what rules for serving do to those who give and to those
// who only take: see [experiment.Swarm].
package main

import (
	"ringswap/scripts/internal/experiment"
	"ringswap/scripts/internal/figure"
)

func main() { figure.Main(new(experiment.Swarm)) }
