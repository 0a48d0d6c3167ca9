package kademlia

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
)

var figures = flag.Bool("figures", false, "print the tables of docs/decisions/0002-lookup.md (takes minutes)")

// still is a network that does not change: every node has the table that it
// would have after a long time, and gets its machine when it is first asked.
// Messages travel without being encoded.
type still struct {
	t        testing.TB
	rng      *rand.Rand
	change   func(*Config)
	contacts []*overlay.Contact // in the order of their IDs
	index    map[overlay.ID]int
	machines []*Machine
	dead     []bool
	evil     []bool
	now      time.Time
	ended    time.Time // of the last lookup
	queue    stillQueue
	seq      uint64
	requests int
	doubt    float64 // what everyone has seen of the network
	latency  func(from, to int) time.Duration
	lie      func(w *still, liar int, key overlay.ID) []*overlay.Contact
}

type stillEvent struct {
	at  time.Time
	seq uint64
	do  func()
}

type stillQueue []stillEvent

func (q stillQueue) Len() int { return len(q) }
func (q stillQueue) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].seq < q[j].seq
}
func (q stillQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *stillQueue) Push(x any)   { *q = append(*q, x.(stillEvent)) }
func (q *stillQueue) Pop() any {
	e := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return e
}

func newStill(t testing.TB, n int, seed uint64, change func(*Config)) *still {
	w := &still{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), change: change,
		now: time.Unix(1_800_000_000, 0), index: make(map[overlay.ID]int, n),
		machines: make([]*Machine, n), dead: make([]bool, n), evil: make([]bool, n),
	}
	for range n {
		w.contacts = append(w.contacts, contact(int(w.rng.Uint64()>>1)))
	}
	slices.SortFunc(w.contacts, func(a, b *overlay.Contact) int { return a.ID.Compare(b.ID) })
	for i, c := range w.contacts {
		w.index[c.ID] = i
	}
	return w
}

// machine makes the i-th node's machine with a full table: of every subtree
// beside its own all nodes, or as many at random as a bucket takes.
func (w *still) machine(i int) *Machine {
	if w.machines[i] != nil {
		return w.machines[i]
	}
	cfg := Config{Self: *w.contacts[i], Server: true, Rand: rand.New(rand.NewPCG(uint64(i), 3))}
	cfg.Table.Refresh, cfg.Table.Addressless, cfg.Limits.PerPeer = -1, true, -1
	if w.change != nil {
		w.change(&cfg)
	}
	m, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	lo, hi := 0, len(w.contacts) // nodes with the first d bits of i's
	self := w.contacts[i].ID
	var fill []*overlay.Contact
	for d := 0; hi-lo > 1; d++ {
		mid := lo + sortSearch(hi-lo, func(j int) bool { return w.contacts[lo+j].ID.Bit(d) == 1 })
		a, b := lo, mid // the other half
		if self.Bit(d) == 0 {
			a, b, hi = mid, hi, mid
		} else {
			lo = mid
		}
		size := m.cfg.Table.BucketSize
		if hi-lo < m.cfg.K || b-a <= size { // part of the nearest subtree, or small
			fill = append(fill, w.contacts[a:b]...)
			continue
		}
		rng := m.cfg.Rand
		seen := make(map[int]bool, size)
		for len(seen) < size {
			if j := a + rng.IntN(b-a); !seen[j] {
				seen[j] = true
				fill = append(fill, w.contacts[j])
			}
		}
	}
	slices.Reverse(fill) // the near ones first, as the table would learn them
	m.Preload(w.now, fill)
	w.machines[i] = m
	return m
}

func sortSearch(n int, f func(int) bool) int {
	i, j := 0, n
	for i < j {
		if h := (i + j) / 2; !f(h) {
			i = h + 1
		} else {
			j = h
		}
	}
	return i
}

func (w *still) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, stillEvent{w.now.Add(d), w.seq, do})
}

// lookup runs one lookup at node i to its end.
func (w *still) lookup(i int, key overlay.Key) overlay.Done {
	m := w.machine(i)
	m.requests.doubt = max(m.requests.doubt, w.doubt)
	var done *overlay.Done
	var step func(ev overlay.Event)
	step = func(ev overlay.Event) {
		for _, eff := range m.Step(w.now, ev) {
			switch eff := eff.(type) {
			case overlay.Done:
				done = &eff
			case overlay.Send:
				w.requests++
				to := w.index[eff.To.ID]
				if w.dead[to] {
					w.after(eff.Timeout, func() { step(overlay.Answer{Req: eff.Req, Err: overlay.ErrTimeout}) })
					continue
				}
				rtt := 100 * time.Millisecond
				if w.latency != nil {
					rtt = w.latency(i, to)
				}
				w.after(rtt, func() { step(overlay.Answer{Req: eff.Req, Msg: w.answer(to, i, eff.Msg.(*Message))}) })
			}
		}
	}
	step(overlay.Start{Op: 1, Query: overlay.FindClosest{Key: key}})
	tick := w.now
	for done == nil {
		if at := m.Deadline(); !at.IsZero() && at.After(tick) {
			tick = at
			w.after(at.Sub(w.now), func() { step(overlay.Tick{}) })
		}
		if len(w.queue) == 0 {
			w.t.Fatalf("lookup of %s from %d does not end", key.ID().Short(), i)
		}
		e := heap.Pop(&w.queue).(stillEvent)
		w.now = e.at
		e.do()
	}
	w.queue, w.ended, w.now = nil, w.now, w.now.Add(time.Minute)
	m.timers = alarm.Clock{}
	return *done
}

func (w *still) answer(at, from int, req *Message) *Message {
	if w.evil[at] && w.lie != nil {
		return &Message{Type: req.Type, Closer: w.lie(w, at, overlay.RawKey(req.Key).ID())}
	}
	m := w.machine(at)
	m.requests.doubt = w.doubt
	reply, err := server{m}.respond(&overlay.Inbound{From: w.contacts[from], Msg: req})
	if err != nil {
		w.t.Fatal(err)
	}
	return reply
}

// truth are the k living nodes nearest to key.
func (w *still) truth(key overlay.ID, k int) []overlay.ID {
	// Everyone nearer than any other is inside the smallest subtree around the
	// key with enough living nodes.
	lo, hi := 0, len(w.contacts)
	for d := 0; d < 256; d++ {
		mid := lo + sortSearch(hi-lo, func(j int) bool { return w.contacts[lo+j].ID.Bit(d) == 1 })
		a, b := lo, mid
		if key.Bit(d) == 1 {
			a, b = mid, hi
		}
		if w.living(a, b) < k {
			break
		}
		lo, hi = a, b
	}
	var ids []overlay.ID
	for i := lo; i < hi; i++ {
		if !w.dead[i] {
			ids = append(ids, w.contacts[i].ID)
		}
	}
	slices.SortFunc(ids, func(a, b overlay.ID) int { return key.CompareDistance(a, b) })
	return ids[:min(k, len(ids))]
}

func (w *still) living(a, b int) (n int) {
	for i := a; i < b; i++ {
		if !w.dead[i] {
			n++
		}
	}
	return n
}

// tally is the sum of many lookups.
type tally struct {
	lookups, exact, nearest, rpcs, hops, found, wanted int
	took                                               []time.Duration
}

func (s *tally) String() string {
	slices.Sort(s.took)
	n := float64(s.lookups)
	return fmt.Sprintf("%6.2f rpcs  %5.2f hops  exact %6.2f %%  nearest %6.2f %%  of k %6.2f %%  ms p50 %d p90 %d p99 %d",
		float64(s.rpcs)/n, float64(s.hops)/n, 100*float64(s.exact)/n, 100*float64(s.nearest)/n, 100*float64(s.found)/float64(s.wanted),
		s.took[len(s.took)/2].Milliseconds(), s.took[len(s.took)*9/10].Milliseconds(), s.took[len(s.took)*99/100].Milliseconds())
}

// measure runs lookups of random keys from the given number of nodes.
func (w *still) measure(nodes, lookups int) *tally {
	s := new(tally)
	var askers []int
	for len(askers) < nodes {
		if i := w.rng.IntN(len(w.contacts)); !w.dead[i] && !w.evil[i] {
			askers = append(askers, i)
		}
	}
	for n := range lookups {
		i := askers[n%len(askers)]
		key := overlay.RawKey(fmt.Appendf(nil, "key %d", w.rng.Uint64()))
		start := w.now
		d := w.lookup(i, key)
		s.lookups++
		if d.Err != nil {
			continue
		}
		s.add(d.Result.Path, w.ended.Sub(start), w.truth(key.ID(), w.machine(i).cfg.K))
	}
	return s
}

func (s *tally) add(p overlay.Path, took time.Duration, want []overlay.ID) {
	s.rpcs += p.RPCs()
	s.hops += p.Hops
	s.took = append(s.took, took)
	got := p.Closest
	if slices.EqualFunc(got, want, func(a overlay.Contact, b overlay.ID) bool { return a.ID == b }) {
		s.exact++
	}
	if len(got) > 0 && got[0].ID == want[0] {
		s.nearest++
	}
	for _, id := range want {
		if slices.ContainsFunc(got, func(c overlay.Contact) bool { return c.ID == id }) {
			s.found++
		}
	}
	s.wanted += len(want)
}

// TestFigures prints the tables of docs/decisions/0002-lookup.md:
//
//	go test ./kademlia -run TestFigures -figures -v
func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("prints figures and checks nothing: give -figures")
	}
	t.Run("beta", func(t *testing.T) {
		for _, n := range []int{120, 10_000} {
			for _, beta := range []int{1, 2, 3, 4, 6} {
				w := newStill(t, n, 1, func(c *Config) { c.Lookup.Beta = beta })
				t.Logf("n %6d beta %d: %s", n, beta, w.measure(1000, 1000))
			}
		}
	})
	t.Run("size", func(t *testing.T) {
		for _, n := range []int{120, 1000, 10_000, 100_000, 1_000_000} {
			for _, size := range []int{20, 40} {
				w := newStill(t, n, 2, func(c *Config) { c.Table.BucketSize = size })
				s := w.measure(1000, 1000)
				contacts, machines := 0, 0
				for _, m := range w.machines {
					if m != nil {
						contacts, machines = contacts+m.table.size, machines+1
					}
				}
				t.Logf("n %7d bucket %d: %s contacts %d", n, size, s, contacts/machines)
			}
		}
	})
	t.Run("dead", func(t *testing.T) {
		for _, n := range []int{120, 1000, 10_000} {
			for _, dead := range []float64{0, .02, .05, .1, .3} {
				w := newStill(t, n, 1, nil)
				w.kill(dead)
				t.Logf("n %6d dead %.2f first: %s", n, dead, w.measure(100, 100))
				w.doubt = dead
				t.Logf("n %6d dead %.2f later: %s", n, dead, w.measure(40, 2000))
			}
		}
	})
	t.Run("liars", func(t *testing.T) {
		for _, d := range []int{1, 2, 4, 8} {
			w := newStill(t, 10_000, 1, func(c *Config) { c.Lookup.Paths = d })
			w.corrupt(.2)
			t.Logf("20 %% liars, %d paths: %s", d, w.measure(1000, 1000))
		}
	})
}

func (w *still) kill(share float64) {
	for i := range w.dead {
		w.dead[i] = w.rng.Float64() < share
	}
}

// corrupt makes a share of the nodes name nobody but each other: those of them
// that are nearest to the key.
func (w *still) corrupt(share float64) {
	var liars []*overlay.Contact
	for i := range w.evil {
		if w.evil[i] = w.rng.Float64() < share; w.evil[i] {
			liars = append(liars, w.contacts[i])
		}
	}
	var key overlay.ID
	var list []*overlay.Contact
	w.lie = func(_ *still, _ int, k overlay.ID) []*overlay.Contact {
		if key != k { // one lookup at a time: they agree once for it
			key, list = k, slices.Clone(liars)
			sortByDistance(key, list)
			list = list[:20]
		}
		return list
	}
}
