package p2p

import (
	"os"
	"testing"
)

// TestMain lets tests start this binary again as another process.
func TestMain(m *testing.M) {
	if dir := os.Getenv(identityChild); dir != "" {
		identityLoop(dir)
	}
	os.Exit(m.Run())
}
