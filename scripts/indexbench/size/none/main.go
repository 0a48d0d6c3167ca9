// Command none is the program without an index engine, to be subtracted.
package main

import "os"

func main() { _, _ = os.Open(os.Args[0]) }
