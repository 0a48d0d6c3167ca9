package p2p

import (
	"os"
	"testing"
)

// children are the other things this binary can be: by the environment variable
// that makes it one, whose value is the argument.
var children = make(map[string]func(string))

// TestMain lets tests start this binary again as another process.
func TestMain(m *testing.M) {
	for variable, run := range children {
		if arg := os.Getenv(variable); arg != "" {
			run(arg)
			return
		}
	}
	os.Exit(m.Run())
}
