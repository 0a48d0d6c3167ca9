// Command bbolt is the smallest program that links bbolt.
package main

import (
	"os"

	"go.etcd.io/bbolt"
)

func main() { _, _ = bbolt.Open(os.Args[0]+".d", 0o600, nil) }
