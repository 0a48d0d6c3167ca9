// Command pebble is the smallest program that links Pebble.
package main

import (
	"os"

	"github.com/cockroachdb/pebble/v2"
)

func main() { _, _ = pebble.Open(os.Args[0]+".d", &pebble.Options{}) }
