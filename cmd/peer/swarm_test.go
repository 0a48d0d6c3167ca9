package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"ringswap/internal/node"
)

// Watching prints again and again, ends with the interrupt as it is meant to, and
// with the error of a swarm that is gone.
func TestSwarmWatch(t *testing.T) {
	f := &fakeNode{}
	looks := 0
	b := newBench(t, f)
	f.swarm = func(req node.SwarmRequest) (node.Swarm, error) {
		if looks++; looks == 2 {
			b.interrupt()
		}
		return node.Swarm{Cid: req.Ref, Chunks: looks, Have: req.Cells}, nil
	}
	b.daemon(f, true)
	if code := b.peer("swarm", "bafy", "--watch", "--json"); code != exitDone {
		t.Errorf("exit code %d\n%s", code, b.errOut)
	}
	var first node.Swarm
	if err := json.NewDecoder(strings.NewReader(b.out.String())).Decode(&first); err != nil || first.Chunks != 1 || first.Have != jsonCells {
		t.Errorf("%v in %q", err, b.out)
	}
	f.swarm = func(node.SwarmRequest) (node.Swarm, error) {
		return node.Swarm{}, &node.Error{Kind: node.KindNotFound, What: "gone"}
	}
	c := newBench(t, f)
	if code := c.peer("swarm", "bafy", "--watch"); code != exitNotFound {
		t.Errorf("a swarm that is gone: exit code %d", code)
	}
}

// What is redrawn goes over what was drawn before.
func TestRedraw(t *testing.T) {
	var out strings.Builder
	show := redraw(&out)
	for have := range 2 {
		if err := show(node.Swarm{Cid: "bafy", State: "fetching", Chunks: 2, Have: have, Name: strings.Repeat("x", 300)}); err != nil {
			t.Fatal(err)
		}
	}
	text := out.String()
	if strings.Count(text, "\x1b[2A\x1b[J") != 1 || strings.Count(text, "chunks here") != 2 {
		t.Errorf("%q", text)
	}
	for line := range strings.Lines(text) {
		if len(line) > 100 {
			t.Errorf("a line of %d characters", len(line))
		}
	}
	if err := redraw(broken{})(node.Swarm{}); err == nil {
		t.Error("an output that is gone is no error")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }
