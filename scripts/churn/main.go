// Command churn measures lookups while nodes come and go: see
// [experiment.Churn].
package main

import (
	"ringswap/scripts/internal/experiment"
	"ringswap/scripts/internal/figure"
)

func main() { figure.Main(new(experiment.Churn)) }
