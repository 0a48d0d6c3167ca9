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
	for _, name := range []string{"kademlia", "chord"} {
		if n := strings.Count(out.String(), `"overlay":"`+name+`"`); n != 2 {
			t.Errorf("%d results of two runs of %s: %s", n, name, out.String())
		}
	}
	for _, args := range [][]string{{"--overlay", "pastry"}, {"--nodes", "-1"}, {"--list", "-3"}, {"--list", "1"}, {"--latency", "-1s"}, {"more"}, {"--what"}} {
		if err := run(args, &out); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

// TestExplain: a failure names the command that replays it.
func TestExplain(t *testing.T) {
	o := options{overlay: both, events: 500, nodes: 24, list: 4, meanLatency: 50 * time.Millisecond}
	for name, want := range map[string]string{
		"kademlia": "go run ./scripts/sim --overlay kademlia --events 500 --seed 9 --nodes 24 --latency 50ms",
		"chord":    "go run ./scripts/sim --overlay chord --events 500 --seed 9 --nodes 24 --list 4 --latency 50ms",
	} {
		if err := o.explain(name, 9, &sim.Failure{Seed: 9, Event: 41, Err: errors.New("x")}); !strings.HasSuffix(err.Error(), want) {
			t.Error(err)
		}
	}
}
