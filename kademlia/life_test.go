package kademlia

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// world is a network of machines in virtual time, with a count of what travels.
type world struct {
	*overlaytest.Network
	t       *testing.T
	change  func(*Config)
	counted map[MessageType]int
	next    int
}

func newWorld(t *testing.T, n int, seed uint64, change func(*Config)) *world {
	t.Helper()
	t.Logf("seed %d", seed)
	w := &world{Network: overlaytest.NewNetwork(t, Codec{}, seed), t: t, change: change, counted: make(map[MessageType]int)}
	w.Lost = func(_, _ *overlaytest.Node, msg overlay.Message) bool {
		if m, ok := msg.(*Message); ok && m != nil {
			w.counted[m.Type]++
		}
		return false
	}
	w.After = func(n *overlaytest.Node) {
		if err := n.Machine.(*Machine).CheckInvariants(); err != nil {
			t.Fatalf("seed %d: %s: %v", seed, n, err)
		}
	}
	for range n {
		w.join()
		w.RunFor(time.Second)
	}
	w.RunFor(5 * time.Minute)
	w.After = nil // checked in every step of every other test; here runs are long
	return w
}

// join adds a server that enters through a random living node.
func (w *world) join() *overlaytest.Node {
	w.t.Helper()
	w.next++
	c := overlaytest.Contact(w.next)
	cfg := Config{Self: c, Server: true, Rand: rand.New(rand.NewPCG(uint64(w.next), 9))}
	cfg.Records.Validator = anyValue{}
	if w.change != nil {
		w.change(&cfg)
	}
	m, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	alive := w.Nodes()
	n := w.Add(c, m, true)
	if len(alive) > 0 {
		n.Step(overlay.Join{Seeds: []overlay.Contact{alive[w.Rand().IntN(len(alive))].Contact}})
	}
	return n
}

func (w *world) key() overlay.Key { return overlay.RawKey(fmt.Append(nil, "key ", w.Rand().Uint64())) }

// byDistance are the living nodes, nearest to the key first.
func (w *world) byDistance(key overlay.Key) []*overlaytest.Node {
	nodes := w.Nodes()
	slices.SortFunc(nodes, func(a, b *overlaytest.Node) int { return key.ID().CompareDistance(a.ID, b.ID) })
	return nodes
}

// holders are the living nodes that keep a value of the key.
func (w *world) holders(key overlay.Key) (out []*overlaytest.Node) {
	for _, n := range w.Nodes() {
		if n.Machine.(*Machine).values.Get(w.Now(), key.ID()) != nil {
			out = append(out, n)
		}
	}
	return out
}

func (w *world) found(by *overlaytest.Node, key overlay.Key, provider *overlaytest.Node) bool {
	w.t.Helper()
	op := by.Do(overlay.FindProviders{Key: key})
	return slices.ContainsFunc(op.Found, func(c overlay.Contact) bool { return c.ID == provider.ID })
}

// TestProviderRecordsLive: announced again in time, found for as long as their
// provider wants, and gone a record's life after it stops.
func TestProviderRecordsLive(t *testing.T) {
	w := newWorld(t, 30, 1, func(c *Config) { c.K, c.Table.Refresh = 8, 4*time.Hour })
	nodes, key := w.Nodes(), w.key()
	provider := nodes[4]
	if op := provider.Do(overlay.Provide{Key: key}); op.Err != nil || op.Result.Stored != 8 {
		t.Fatalf("stored at %d, %v", op.Result.Stored, op.Err)
	}
	w.RunFor(100 * time.Hour)
	for _, n := range nodes {
		if !w.found(n, key, provider) {
			t.Fatalf("%s does not find the provider after 100 hours", n)
		}
	}
	if op := provider.Do(overlay.StopProviding{Key: key}); op.Err != nil {
		t.Fatal(op.Err)
	}
	w.RunFor(49 * time.Hour)
	for _, n := range nodes {
		if w.found(n, key, provider) {
			t.Fatalf("%s still finds the provider after it stopped", n)
		}
	}
}

// TestProvideReachesNewNeighbours: records are found though everyone who got
// them at first is gone.
func TestProvideReachesNewNeighbours(t *testing.T) {
	w := newWorld(t, 40, 2, func(c *Config) { c.K, c.Table.Refresh = 6, 2*time.Hour })
	key := w.key()
	provider := w.byDistance(key)[39]
	provider.Do(overlay.Provide{Key: key})
	for range 12 { // one after the other is replaced
		w.Kill(w.byDistance(key)[0])
		w.join()
		w.RunFor(10 * time.Minute)
	}
	w.RunFor(24 * time.Hour) // by now it was announced again
	if asker := w.byDistance(key)[20]; !w.found(asker, key, provider) {
		t.Error("the provider is not found after its keepers were replaced")
	}
}

func TestValuesLive(t *testing.T) {
	w := newWorld(t, 40, 3, func(c *Config) { c.K, c.Table.Refresh = 8, 2*time.Hour })
	key, value := w.key(), []byte("value")
	op := w.Nodes()[7].Do(overlay.PutValue{Key: key, Value: value})
	if op.Err != nil || op.Result.Stored < 6 {
		t.Fatalf("stored at %d, %v", op.Result.Stored, op.Err)
	}
	for _, n := range w.Nodes() {
		if op := n.Do(overlay.GetValue{Key: key}); op.Err != nil || string(op.Result.Value) != "value" {
			t.Fatalf("%s got %q, %v", n, op.Result.Value, op.Err)
		}
	}
	if op := w.Nodes()[3].Do(overlay.GetValue{Key: w.key()}); !errors.Is(op.Err, overlay.ErrNotFound) {
		t.Errorf("a value that nobody stored: %v", op.Err)
	}
	// A better value replaces it everywhere, a worse one nowhere.
	w.Nodes()[8].Do(overlay.PutValue{Key: key, Value: []byte("value, better")})
	if op := w.Nodes()[9].Do(overlay.PutValue{Key: key, Value: []byte("a worse one")}); op.Result.Stored > 0 {
		t.Errorf("%d nodes took a worse value", op.Result.Stored)
	}
	w.RunFor(time.Minute)
	if op := w.Nodes()[10].Do(overlay.GetValue{Key: key}); string(op.Result.Value) != "value, better" {
		t.Errorf("got %q", op.Result.Value)
	}
	// Holders come and go; those who hold it store it anew every hour.
	w.counted[PutValue] = 0
	for range 20 {
		w.Kill(w.byDistance(key)[w.Rand().IntN(8)])
		w.join()
		w.RunFor(time.Hour)
	}
	if op := w.Nodes()[11].Do(overlay.GetValue{Key: key}); string(op.Result.Value) != "value, better" {
		t.Errorf("after 20 of its holders are gone: %q, %v", op.Result.Value, op.Err)
	}
	// One holder in each hour does it for all: 8 requests and 8 answers, and the
	// newcomers' copies. Everyone on his own would be 8 times as many.
	n := w.counted[PutValue]
	t.Logf("%d PUT_VALUE messages in 20 hours", n)
	if n > 20*8*2*2 {
		t.Error("holders store it anew though others have")
	}
	// Nobody published it anew, so it ends with its time.
	w.RunFor(30 * time.Hour)
	if n := len(w.holders(key)); n > 0 {
		t.Errorf("%d nodes still have a value after its time", n)
	}
}

// TestHandOver: a newcomer gets the values that it is responsible for, once,
// from the holder nearest to the key.
func TestHandOver(t *testing.T) {
	w := newWorld(t, 30, 4, func(c *Config) { c.K = 6 })
	key := w.key()
	w.Nodes()[0].Do(overlay.PutValue{Key: key, Value: []byte("v")})
	w.RunFor(time.Minute)
	if got := len(w.holders(key)); got != 6 {
		t.Fatalf("%d holders", got)
	}
	for range 200 { // until one lands among the nearest
		w.counted[PutValue] = 0
		n := w.join()
		w.RunFor(30 * time.Second)
		rank := slices.Index(w.byDistance(key), n)
		has := n.Machine.(*Machine).values.Get(w.Now(), key.ID()) != nil
		if rank < 6 && !has {
			t.Fatalf("a newcomer at place %d did not get the value", rank)
		}
		if rank < 6 {
			if got := w.counted[PutValue]; got != 2 {
				t.Errorf("%d PUT_VALUE messages, want one and its answer", got)
			}
			return
		}
		w.Kill(n)
		w.RunFor(time.Minute)
	}
	t.Fatal("no newcomer near the key")
}

// TestLeaveBequeaths: K nodes have the value also after one of them left.
func TestLeaveBequeaths(t *testing.T) {
	w := newWorld(t, 30, 5, func(c *Config) { c.K = 6 })
	key := w.key()
	w.Nodes()[0].Do(overlay.PutValue{Key: key, Value: []byte("v")})
	w.RunFor(time.Minute)
	near := w.byDistance(key)
	near[2].Step(overlay.Leave{})
	w.RunFor(time.Second)
	w.Kill(near[2])
	if near[6].Machine.(*Machine).values.Get(w.Now(), key.ID()) == nil {
		t.Error("the next nearest node did not get the value")
	}
}

// TestFoundValueIsCached: at the nearest node that lacked it, and repaired where
// it was worse.
func TestFoundValueIsCached(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Records.Validator, c.Server, c.Lookup.Quorum = anyValue{}, false, -1 })
	key := overlay.RawKey([]byte("k"))
	var nodes []*overlay.Contact
	for i := range 5 {
		nodes = append(nodes, friend("1", i))
	}
	sortByDistance(key.ID(), nodes)
	for _, c := range nodes {
		r.m.table.seen(stampOf(r.now), c)
	}
	r.step(overlay.Start{Op: 1, Query: overlay.GetValue{Key: key}})
	has := map[overlay.ID]string{nodes[1].ID: "old", nodes[3].ID: "new", nodes[4].ID: "new"}
	for r.done[1].Op == 0 {
		for _, s := range r.take(everything) {
			msg := &Message{Type: GetValue}
			if v := has[s.To.ID]; v != "" {
				msg.Record = &Record{Key: key.Preimage(), Value: []byte(v)}
			}
			r.step(overlay.Answer{Req: s.Req, Msg: msg})
		}
	}
	if got := string(r.done[1].Result.Value); got != "old" { // "old" > "new"
		t.Fatalf("got %q", got)
	}
	r.wait(time.Second)
	given := make(map[overlay.ID]bool)
	for _, s := range r.sent {
		if m := s.Msg.(*Message); m.Type == PutValue && string(m.Record.Value) == "old" {
			given[s.To.ID] = true
		}
	}
	want := map[overlay.ID]bool{nodes[0].ID: true, nodes[3].ID: true, nodes[4].ID: true}
	if len(given) != len(want) || !given[nodes[0].ID] || !given[nodes[3].ID] || !given[nodes[4].ID] {
		t.Errorf("the value went to %d nodes, want the nearest that lacked it and two that had a worse one", len(given))
	}
}

// TestLifetimeShrinksWithDistance: half for every node between this one and the
// K nearest to the key.
func TestLifetimeShrinksWithDistance(t *testing.T) {
	r := newRig(t, func(c *Config) { c.K = 4 })
	key := overlay.ID{0: 0x80}
	full := r.m.cfg.Records.ValueTTL
	for i, want := range []time.Duration{full, full, full, full, full / 2, full / 4, full / 8} {
		if got := r.m.values.lifetime(key); got != want {
			t.Errorf("with %d nodes nearer: %v, want %v", i, got, want)
		}
		r.m.table.seen(1, at("1", i))
	}
}

func TestOldValueIsRefused(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Records.Validator = anyValue{} })
	put := func(value string, published time.Time) error {
		rec := &Record{Key: []byte("k"), Value: []byte(value), TimeReceived: published.UTC().Format(time.RFC3339Nano)}
		return r.request(friend("1", 1), false, lan, &Message{Type: PutValue, Key: []byte("k"), Record: rec}).Err
	}
	if err := put("a", r.now.Add(-49*time.Hour)); err == nil {
		t.Error("a value that has expired was taken")
	}
	if err := put("a", r.now.Add(-40*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := put("a", r.now.Add(1000*time.Hour)); err != nil { // the future is now
		t.Fatal(err)
	}
	r.wait(47 * time.Hour)
	if r.m.values.Get(r.now, overlay.RawKey([]byte("k")).ID()) == nil {
		t.Error("a value that was published again expired with the first time")
	}
	r.wait(2 * time.Hour)
	if r.m.values.Get(r.now, overlay.RawKey([]byte("k")).ID()) != nil {
		t.Error("a date in the future prolonged a value's life")
	}
}

// TestChurn: a quarter of the network is replaced every hour. Lookups go on
// finding the nearest node, and providers are found.
func TestChurn(t *testing.T) {
	w := newWorld(t, 60, 6, nil)
	key := w.key()
	provider := w.Nodes()[0]
	provider.Do(overlay.Provide{Key: key})
	nearest, found, kept, wanted, requests, tries := 0, 0, 0, 0, 0, 0
	for range 60 {
		nodes := w.Nodes()
		w.Kill(nodes[1+w.Rand().IntN(len(nodes)-1)])
		w.join()
		w.RunFor(225 * time.Second)
		asker, k := w.Nodes()[1+w.Rand().IntN(59)], w.key()
		op := asker.Do(overlay.FindClosest{Key: k})
		if op.Err != nil {
			t.Fatal(op.Err)
		}
		tries++
		requests += op.Result.Path.RPCs()
		truth := w.byDistance(k)[:20]
		if op.Result.Path.Closest[0].ID == truth[0].ID {
			nearest++
		}
		wanted += len(truth)
		for _, n := range truth {
			if slices.ContainsFunc(op.Result.Path.Closest, func(c overlay.Contact) bool { return c.ID == n.ID }) {
				kept++
			}
		}
		if w.found(asker, key, provider) {
			found++
		}
	}
	t.Logf("nearest %d, provider %d of %d, %.1f %% of the K, %.1f requests a lookup",
		nearest, found, tries, 100*float64(kept)/float64(wanted), float64(requests)/float64(tries))
	if nearest < tries || found < tries || float64(kept) < .97*float64(wanted) {
		t.Error("lookups miss nodes under churn")
	}
}

// TestSleepingLaptop: everyone falls silent for an hour, as when this node's own
// network is down, and is found again after that.
func TestSleepingLaptop(t *testing.T) {
	w := newWorld(t, 25, 7, nil)
	sleeper := w.Nodes()[3]
	down := true
	w.Lost = func(from, to *overlaytest.Node, _ overlay.Message) bool {
		return down && (from == sleeper || to == sleeper)
	}
	key := w.key()
	if op := sleeper.Do(overlay.Provide{Key: key}); op.Err == nil {
		t.Fatal("provided without a network")
	}
	w.RunFor(time.Hour)
	down = false
	w.RunFor(40 * time.Minute)
	if op := sleeper.Do(overlay.FindClosest{Key: w.key()}); op.Err != nil || len(op.Result.Path.Closest) < 20 {
		t.Errorf("after waking up: %d found, %v", len(op.Result.Path.Closest), op.Err)
	}
	if !w.found(w.Nodes()[9], key, sleeper) {
		t.Error("what it provides is not found after it woke up")
	}
}

// TestSizes: the exact nodes at every size of network, from every node or many.
func TestSizes(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 20, 21, 22, 120, 1000} {
		w := newStill(t, n, uint64(n), nil)
		if n == 1 {
			if d := w.lookup(0, overlay.RawKey([]byte("k"))); !errors.Is(d.Err, overlay.ErrNoPeers) {
				t.Errorf("alone: %v", d.Err)
			}
			continue
		}
		s := w.measure(min(n, 60), 200)
		if s.exact != s.lookups {
			t.Errorf("%d nodes: %v", n, s)
		}
		if n == 120 && float64(s.rpcs)/float64(s.lookups) > 6 {
			t.Errorf("%d nodes: %v", n, s)
		}
	}
}

// TestDeadThird: with 30 % of all contacts dead and nobody having noticed, the
// nearest living node is found, and nearly all of the K.
func TestDeadThird(t *testing.T) {
	w := newStill(t, 1000, 3, nil)
	w.kill(.3)
	first := w.measure(60, 60)
	if first.nearest < first.lookups*95/100 {
		t.Errorf("at once: %v", first)
	}
	w.doubt = .3
	s := w.measure(10, 300)
	t.Logf("at once: %v", first)
	t.Logf("later:   %v", s)
	if s.nearest < s.lookups*99/100 || s.exact < s.lookups*95/100 {
		t.Errorf("later: %v", s)
	}
}

// TestLiars: a fifth of the nodes name only each other. Eight paths get around
// them; one does most of the time.
func TestLiars(t *testing.T) {
	for paths, least := range map[int]float64{1: .90, 8: .985} {
		w := newStill(t, 2000, 4, func(c *Config) { c.Lookup.Paths = paths })
		w.corrupt(.2)
		s := w.measure(200, 200)
		t.Logf("%d paths: %v", paths, s)
		if float64(s.nearest) < least*float64(s.lookups) {
			t.Errorf("%d paths: %v", paths, s)
		}
	}
}
