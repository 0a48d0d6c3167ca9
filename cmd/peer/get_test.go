package main

import (
	"strings"
	"testing"

	"ringswap/internal/node"
)

// Whoever gave is named; if it was nobody, that is said, unless there was nothing to give.
func TestPrintGot(t *testing.T) {
	const nobody = "nothing from peers"
	for name, tc := range map[string]struct {
		got       node.Got
		has, lack string
	}{
		"from a peer":    {node.Got{Path: "a", Size: 9, Seconds: 1, Peers: []node.GotPeer{{ID: "alice", Bytes: 9}}}, "from alice", nobody},
		"from the store": {node.Got{Path: "a", Size: 9, Seconds: 1}, nobody, "from alice"},
		"was complete":   {node.Got{Path: "a", Size: 9, Resumed: 9, Seconds: 1}, "there already", nobody},
		"empty":          {node.Got{Path: "a", Seconds: 1}, "got a", nobody},
	} {
		var b strings.Builder
		printGot(&b, tc.got)
		if !strings.Contains(b.String(), tc.has) || strings.Contains(b.String(), tc.lack) {
			t.Errorf("%s: %q, want %q and not %q", name, b.String(), tc.has, tc.lack)
		}
	}
}
