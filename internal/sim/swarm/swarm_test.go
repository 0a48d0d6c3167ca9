package swarm

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// used is the rule that the server takes.
func used() Rule {
	rules := Rules()
	return rules[len(rules)-1]
}

// runChecked runs with every invariant checked after every so many events.
func runChecked(t *testing.T, c Config) *Result {
	t.Helper()
	w, err := newWorld(c)
	if err != nil {
		t.Fatal(err)
	}
	w.watch = func() {
		if w.steps%50 == 0 {
			if err := w.check(); err != nil {
				t.Fatalf("seed %d, event %d: %v", c.Seed, w.steps, err)
			}
		}
	}
	w.run()
	if err := w.check(); err != nil {
		t.Fatalf("seed %d: %v", c.Seed, err)
	}
	return w.result()
}

func TestHonestSwarmIsNearTheBound(t *testing.T) {
	for seed := range uint64(3) {
		r := runChecked(t, Crowd(used(), 8, 0, Strategy{}, seed))
		bound := Bound(64<<20, 8, SeedUp, LeecherUp, Down).Seconds()
		if g := r.Group(Givers); g.Done != 8 || g.Last > 1.12*bound {
			t.Errorf("seed %d: %d done, the last after %.2f s, bound %.2f", seed, g.Done, g.Last, bound)
		}
		t.Logf("seed %d: the last after %.3f of the bound, %.2f %% of the bytes came twice", seed, r.Group(Givers).Last/bound, 100*r.Wasted)
		if r.Wasted > .01 {
			t.Errorf("seed %d: %.2f %% of the bytes came twice", seed, 100*r.Wasted)
		}
		if r.Jain < .95 {
			t.Errorf("seed %d: Jain index %.3f", seed, r.Jain)
		}
	}
}

func TestFreeRidersComeLast(t *testing.T) {
	bound := Bound(64<<20, 5, SeedUp, LeecherUp, Down).Seconds()
	for seed := range uint64(6) {
		r := runChecked(t, Crowd(used(), 8, 3, Attacks()[0], seed))
		g, b := r.Group(Givers), r.Group(Takers)
		if g.Mean > 1.20*bound || r.Leaked > .05 || b.Mean < 1.45*g.Mean {
			t.Errorf("seed %d: givers %.2f s of %.2f, %.1f %% to takers, who take %.2f times as long", seed, g.Mean, bound, 100*r.Leaked, b.Mean/g.Mean)
		}
	}
}

// TestMutePeersHoldNobodyUp has three tenths of a large swarm take requests and
// answer none. The last part that somebody lacks must not go from one of them to
// the next while others, which serve, have it.
func TestMutePeersHoldNobodyUp(t *testing.T) {
	for _, seed := range []uint64{1, 3} {
		r, err := Run(Crowd(used(), 60, 18, Attacks()[4], seed))
		if err != nil {
			t.Fatal(err)
		}
		g := r.Group(Givers)
		t.Logf("seed %d: mean %.2f s, the last %.2f s", seed, g.Mean, g.Last)
		if g.Done < g.Nodes || g.Last > 1.4*g.Mean {
			t.Errorf("seed %d: %d of %d done, in %.2f s in the mean, the last in %.2f s", seed, g.Done, g.Nodes, g.Mean, g.Last)
		}
	}
}

func TestNoSeedNoMoreThanGifts(t *testing.T) {
	c := Crowd(used(), 8, 3, Attacks()[0], 1)
	grant := int64(6 * (c.Chunk + 2*maxTurn))
	r := runChecked(t, Orphans(used(), 8, 3, Attacks()[0], 1))
	if g := r.Group(Givers); g.Done < g.Nodes-1 { // the last chunk may have gone with the others
		t.Errorf("%d of %d givers done", g.Done, g.Nodes)
	}
	if b := r.Group(Takers); b.Done > 0 || b.Most > grant {
		t.Errorf("%d takers done, one has %d bytes of %d", b.Done, b.Most, grant)
	}
}

// TestEveryAttack runs a small swarm of each strategy under each rule; that it
// ends, and keeps the books, is what is tested.
func TestEveryAttack(t *testing.T) {
	for _, rule := range Rules() {
		for _, a := range Attacks() {
			c := Crowd(rule, 10, 3, a, 5)
			c.Size, c.Chunk = 4<<20, 256<<10
			r := runChecked(t, c)
			if g := r.Group(Givers); g.Done != g.Nodes {
				t.Errorf("%s, %s: %d of %d givers done", rule.Name, a.Name, g.Done, g.Nodes)
			}
		}
	}
}

func TestComeAndGo(t *testing.T) {
	c := Steady(used(), 30, Attacks()[0], 2)
	c.Size, c.Chunk = 4<<20, 256<<10
	r := runChecked(t, c)
	if g := r.Group(Givers); g.Done != g.Nodes {
		t.Errorf("%d of %d givers done", g.Done, g.Nodes)
	}
}

func TestRunsRepeat(t *testing.T) {
	c := Crowd(used(), 9, 3, Attacks()[3], 11)
	a, b := runChecked(t, c), runChecked(t, c)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\n%+v", a, b)
	}
	c.Seed++
	if reflect.DeepEqual(a, runChecked(t, c)) {
		t.Error("another seed, the same run")
	}
}

// TestTheCheck breaks what must hold, to see that the check sees it.
func TestTheCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		want string
		harm func(w *World)
	}{
		"a fast uplink":      {"sends", func(w *World) { w.nodes[0].out = append(w.nodes[0].out, &flow{rate: 2 * w.nodes[0].up}) }},
		"a fast downlink":    {"receives", func(w *World) { w.nodes[0].in = append(w.nodes[0].in, &flow{rate: 2 * w.nodes[0].down}) }},
		"bytes from nowhere": {"has received", func(w *World) { w.nodes[0].received += 1 << 40 }},
		"bytes to nobody":    {"has sent", func(w *World) { w.nodes[0].sent += 1 << 40 }},
		"a chunk unreceived": {"bytes and received", func(w *World) {
			for i := range w.nodes[0].have.Size() {
				w.nodes[0].have.Add(i)
			}
		}},
		"a mute node that sends": {"sends", func(w *World) { w.nodes[len(w.nodes)-1].sent++ }},
	} {
		w, err := newWorld(Crowd(used(), 6, 2, Attacks()[0], 1))
		if err != nil {
			t.Fatal(err)
		}
		w.cfg.Limit = 5 * time.Second
		w.run()
		if err := w.check(); err != nil {
			t.Fatal(err)
		}
		tc.harm(w)
		if err := w.check(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLinksAreShared sends three flows into one downlink.
func TestLinksAreShared(t *testing.T) {
	w := &World{}
	to := &node{up: 100, down: 100, group: &Group{}}
	var done []int64
	for _, up := range []float64{10, 60, 80} {
		from := &node{up: up, down: 100, group: &Group{}}
		w.nodes = append(w.nodes, from)
		w.send(from, to, 100, func() { done = append(done, w.now/1e6) })
	}
	w.nodes = append(w.nodes, to)
	// 10 + 45 + 45; the second and third end at 2.222 s, the first at 10 s.
	for w.events.Len() > 0 {
		at, do := w.events.Pop()
		w.now = at
		do()
		for _, n := range w.nodes {
			if up := n.up - n.spare(); up > n.up*1.000001 {
				t.Fatalf("%v of %v", up, n.up)
			}
		}
	}
	if len(done) != 3 || done[0] != 2222 || done[1] != 2222 || done[2] != 10000 {
		t.Errorf("done after %v ms", done)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Crowd(used(), 8, 0, Strategy{}, 1)
	for name, harm := range map[string]func(*Config){
		"no rule":       func(c *Config) { c.Rule = Rule{} },
		"large chunks":  func(c *Config) { c.Chunk = 2 << 20 },
		"no file":       func(c *Config) { c.Size = 0 },
		"no groups":     func(c *Config) { c.Groups = nil },
		"too many":      func(c *Config) { c.Groups[0].Count = MaxNodes },
		"no link":       func(c *Config) { c.Groups[0].Up = 0 },
		"negative view": func(c *Config) { c.View = -1 },
	} {
		c := good
		c.Groups = append([]Group(nil), good.Groups...)
		harm(&c)
		if _, err := Run(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestSpreadOfASlowSeed: where the seed is the bottleneck, one that names other
// chunks to each peer makes the swarm faster, and costs it nothing elsewhere.
func TestSpreadOfASlowSeed(t *testing.T) {
	mean := func(up float64, takers int, spread bool) (sum float64) {
		for seed := range uint64(4) {
			c := Crowd(used(), 8, takers, Attacks()[0], 100+seed)
			c.Groups[1].Up, c.Groups[1].Spread = up, spread
			r := runChecked(t, c)
			if g := r.Group(Givers); g.Done < g.Nodes {
				t.Fatalf("seed %d: %d of %d done", seed, g.Done, g.Nodes)
			}
			sum += r.Group(Givers).Mean / 4
		}
		return sum
	}
	for _, c := range []struct {
		up     float64
		takers int
		most   float64
	}{{20 * mbit, 0, 0.96}, {20 * mbit, 3, 0.97}, {SeedUp, 3, 1.02}, {SeedUp, 0, 1.02}} {
		plain, spread := mean(c.up, c.takers, false), mean(c.up, c.takers, true)
		t.Logf("%.0f Mbit/s, %d of 8 take only: %.2f s, spread %.2f s", c.up/mbit, c.takers, plain, spread)
		if spread > c.most*plain {
			t.Errorf("%.0f Mbit/s, %d takers: spreading takes %.3f times as long", c.up/mbit, c.takers, spread/plain)
		}
	}
}
