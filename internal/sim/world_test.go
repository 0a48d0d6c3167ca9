package sim

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"ringswap/kademlia"
	"ringswap/overlay"
)

// liveKademlia is a Kademlia with upkeep, and with small buckets so that a small
// network has full ones.
func liveKademlia() Kademlia {
	var cfg kademlia.Config
	cfg.K, cfg.Table.Refresh = 8, 5*time.Minute
	return Kademlia{Config: cfg}
}

// grow makes a world of n nodes that joined one after the other.
func grow(t *testing.T, s Settings, n int) *World {
	t.Helper()
	w, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	w.After = func(n *Node) error {
		if m := n.Machine(); m != nil {
			return s.Overlay.Check(m)
		}
		return nil
	}
	for range n {
		via := w.Random(nil)
		node := w.Add(true)
		if via != nil {
			w.Join(node, via)
		}
		run(t, w, time.Second)
	}
	return w
}

func run(t *testing.T, w *World, d time.Duration) {
	t.Helper()
	if err := w.RunFor(d); err != nil {
		t.Fatal(err)
	}
}

// TestWorld: a network that grew, lost nodes, was cut and healed finds everyone.
func TestWorld(t *testing.T) {
	w := grow(t, Settings{Overlay: liveKademlia(), Seed: 3, Loss: .01, CountBytes: true}, 40)
	run(t, w, 20*time.Minute)
	for i, n := range w.Nodes() {
		switch i % 8 {
		case 2:
			w.Kill(n)
		case 5:
			w.Leave(n, time.Second)
		}
	}
	run(t, w, 5*time.Minute)
	w.Restart(w.Nodes()[2])
	w.Join(w.Nodes()[2], w.Nodes()[0])
	w.Cut(func(n *Node) uint8 { return uint8(n.Number % 2) })
	run(t, w, 5*time.Minute)
	w.Heal()
	run(t, w, 30*time.Minute)
	if w.Live().Len() != 31 {
		t.Fatalf("%d nodes run, want 31", w.Live().Len())
	}
	w.settings.Loss = 0 // a lost answer of the responsible node is a failure that nobody can help
	var tl tally
	if err := w.measure(newRand(3), 200, false, tl.add); err != nil {
		t.Fatal(err)
	}
	if s := tl.sum(); s.Failed > 0 {
		t.Errorf("%d of %d lookups failed", s.Failed, s.Lookups)
	}
	if w.Bytes() == 0 || w.Messages() == 0 || w.Events() == 0 {
		t.Errorf("counted %d bytes of %d messages in %d events", w.Bytes(), w.Messages(), w.Events())
	}
}

// TestSameSeedSameRun: bit for bit, also with a populated world whose machines
// are put away; and another seed is another run.
func TestSameSeedSameRun(t *testing.T) {
	grown := func(seed uint64) uint64 {
		w := grow(t, Settings{Overlay: liveKademlia(), Seed: seed, Loss: .05, Latency: Exponential(50 * time.Millisecond)}, 25)
		w.Kill(w.Random(nil))
		run(t, w, 20*time.Minute)
		return w.Digest()
	}
	first := grown(1)
	if first != grown(1) {
		t.Error("two runs of one seed differ")
	}
	if first == grown(2) {
		t.Error("two seeds gave one run")
	}
	still := func() uint64 {
		r, err := Hops(HopsConfig{Settings: Settings{Overlay: stillKademlia(), Machines: 64}, Nodes: 2000, Lookups: 200, Dead: .2})
		if err != nil {
			t.Fatal(err)
		}
		return r.Digest
	}
	if first := still(); first != still() {
		t.Error("two runs of one seed on a populated world differ")
	}
}

// TestMessagesOnTheirWay: what a node that stops and starts again had asked
// before is not answered to its next life, and every query gets one outcome.
func TestMessagesOnTheirWay(t *testing.T) {
	w := grow(t, Settings{Overlay: liveKademlia(), Seed: 4}, 12)
	n := w.Nodes()[5]
	outcomes := 0
	w.Start(n, overlay.FindClosest{Key: overlay.RawKey([]byte("k"))}, func(o Outcome) {
		outcomes++
		if !o.Died {
			t.Errorf("a query of a node that stopped ended with %v", o.Err)
		}
	})
	w.Kill(n)
	w.Kill(n)
	w.Start(n, overlay.FindClosest{Key: overlay.RawKey([]byte("k"))}, func(Outcome) { outcomes++ })
	w.Restart(n)
	run(t, w, time.Minute)
	if outcomes != 2 {
		t.Errorf("%d outcomes of two queries", outcomes)
	}
	if n.busy != 0 {
		t.Errorf("the node is thought busy with %d things", n.busy)
	}
	if open := w.open(); open > 50 {
		t.Errorf("%d messages are on their way in a quiet network", open)
	}
}

// TestFailingCheckEndsTheRun and names the seed and the event.
func TestFailingCheckEndsTheRun(t *testing.T) {
	w := grow(t, Settings{Overlay: liveKademlia(), Seed: 77}, 10)
	wrong := errors.New("wrong")
	w.After = func(*Node) error {
		if w.Now() > time.Minute {
			return wrong
		}
		return nil
	}
	err := w.RunFor(time.Hour)
	var f *Failure
	if !errors.As(err, &f) || !errors.Is(err, wrong) || f.Seed != 77 || f.Event != w.Events() {
		t.Fatalf("the run ended with %v", err)
	}
	if w.Now() > 3*time.Minute {
		t.Errorf("the run went on until %v", w.Now())
	}
}

func TestInvalidSettings(t *testing.T) {
	good := HopsConfig{Settings: Settings{Overlay: stillKademlia()}, Nodes: 10}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*HopsConfig){
		"Overlay": func(c *HopsConfig) { c.Overlay = nil },
		"Loss":    func(c *HopsConfig) { c.Loss = math.NaN() },
		"Machines": func(c *HopsConfig) {
			c.Machines = 3
		},
		"Latency":       func(c *HopsConfig) { c.Latency = Constant(-1) },
		"Latency.Mean1": func(c *HopsConfig) { c.Latency = Space{} },
		"Nodes":         func(c *HopsConfig) { c.Nodes = MaxNodes + 1 },
		"Lookups":       func(c *HopsConfig) { c.Lookups = -1 },
		"Malicious":     func(c *HopsConfig) { c.Malicious = -.1 },
		"Dead":          func(c *HopsConfig) { c.Dead = 1 },
	} {
		c := good
		change(&c)
		if _, err := Hops(c); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), field+" is") {
			t.Errorf("%s: %v", field, err)
		}
	}
}
