package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"ringswap/internal/sim"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"--events", "5000", "--seeds", "2", "--json"}, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), `"overlay":"kademlia"`); n != 2 {
		t.Errorf("%d results of two runs: %s", n, out.String())
	}
	for _, args := range [][]string{{"--overlay", "pastry"}, {"--nodes", "1"}, {"--latency", "-1s"}, {"more"}, {"--what"}} {
		if err := run(args, &out); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

// TestExplain: a failure names the command that replays it.
func TestExplain(t *testing.T) {
	o := options{overlay: "kademlia", nodes: 24, meanLatency: 50 * time.Millisecond}
	err := o.explain(9, &sim.Failure{Seed: 9, Event: 41, Err: errors.New("x")})
	if !strings.Contains(err.Error(), "go run ./scripts/sim --overlay kademlia --events 42 --seed 9 --nodes 24 --latency 50ms") {
		t.Error(err)
	}
}
