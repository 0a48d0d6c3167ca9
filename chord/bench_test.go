package chord_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// preloaded builds a ring of n machines that know what they should.
func preloaded(tb testing.TB, n int, change func(*chord.Config)) ([]*chord.Machine, []*overlay.Contact) {
	tb.Helper()
	all := make([]*overlay.Contact, n)
	for i := range all {
		c := overlaytest.Contact(i + 1)
		all[i] = &c
	}
	slices.SortFunc(all, func(a, b *overlay.Contact) int { return a.ID.Compare(b.ID) })
	machines := make([]*chord.Machine, n)
	for i := range all {
		machines[i] = load(tb, all, i, change)
	}
	return machines, all
}

func load(tb testing.TB, all []*overlay.Contact, i int, change func(*chord.Config)) *chord.Machine {
	cfg := chord.Config{Self: *all[i], Server: true, Rand: rand.New(rand.NewPCG(uint64(i), 7))}
	if change != nil {
		change(&cfg)
	}
	m, err := chord.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	r, bits := 32, 4
	if cfg.Ring.Successors > 0 {
		r, bits = cfg.Ring.Successors, cfg.Fingers.Bits
	}
	n := len(all)
	t := chord.Table{Predecessor: all[(i+n-1)%n]}
	for k := 1; k <= min(r, n-1); k++ {
		t.Successors = append(t.Successors, all[(i+k)%n])
	}
	covered := t.Successors[len(t.Successors)-1].ID.Sub(all[i].ID)
	var last overlay.ID
	for place := 256/bits - 1; place >= 0; place-- {
		for digit := 1; digit < 1<<bits; digit++ {
			var lo overlay.ID
			for b := range bits {
				if digit>>b&1 != 0 {
					bit := 256 - bits*(place+1) + b
					lo[31-bit/8] |= 1 << (bit % 8)
				}
			}
			if lo.Compare(covered) <= 0 {
				continue
			}
			start := all[i].ID.Sub(overlay.ID{}.Sub(lo))
			k, _ := slices.BinarySearchFunc(all, start, func(c *overlay.Contact, id overlay.ID) int { return c.ID.Compare(id) })
			c := all[k%n]
			if d := c.ID.Sub(all[i].ID); d.Compare(last) > 0 && d.Compare(covered) > 0 {
				t.Fingers, last = append(t.Fingers, c), d
			}
		}
	}
	m.Preload(time.Unix(1_000_000, 0), t)
	return m
}

// run makes one lookup in a network without delay.
func run(tb testing.TB, machines map[overlay.ID]*chord.Machine, m *chord.Machine, op overlay.OpID, key overlay.Key) overlay.Path {
	now := time.Unix(1_000_000, 0)
	from := m.View().Self
	queue := m.Step(now, overlay.Start{Op: op, Query: overlay.FindClosest{Key: key, N: 1}})
	for len(queue) > 0 {
		eff := queue[0]
		queue = queue[1:]
		switch eff := eff.(type) {
		case overlay.Send:
			var reply overlay.Reply
			for _, r := range machines[eff.To.ID].Step(now, overlay.Inbound{
				Req: 1, From: &from, Remote: from.Addrs[0], Server: true, Msg: eff.Msg,
			}) {
				if r, ok := r.(overlay.Reply); ok {
					reply = r
				}
			}
			queue = append(queue, m.Step(now, overlay.Answer{Req: eff.Req, Msg: reply.Msg, Err: reply.Err})...)
		case overlay.Done:
			if eff.Err != nil {
				tb.Fatal(eff.Err)
			}
			return eff.Result.Path
		}
	}
	tb.Fatal("the lookup did not end")
	return overlay.Path{}
}

// TestHops: the mean path as the papers count it, which is the contact to the
// responsible node too: 3.82 at N=1000, r=20 and base 2 (ToN, section VI-B).
func TestHops(t *testing.T) {
	const n = 1000
	quiet := func(c *chord.Config) {
		c.Ring.Stabilize, c.Fingers.Refresh, c.Cache.Entries = -1, -1, -1
		c.Limits.PerPeer = -1
	}
	for _, c := range []struct {
		name   string
		lo, hi float64
		change func(*chord.Config)
	}{
		{"published", 3.65, 4.0, func(c *chord.Config) { chord.Published(c); quiet(c) }},
		{"base 16, 32 successors", 1, 2.5, quiet},
	} {
		list, all := preloaded(t, n, c.change)
		machines := make(map[overlay.ID]*chord.Machine)
		for i, m := range list {
			machines[all[i].ID] = m
		}
		rng := rand.New(rand.NewPCG(1, 1))
		hops, entries := 0, 0
		const lookups = 4000
		for i := range lookups {
			m := list[rng.IntN(n)]
			p := run(t, machines, m, overlay.OpID(i+1), overlay.RawKey(fmt.Appendf(nil, "key %d", i)))
			hops += p.Hops + 1
			entries += m.View().Entries
		}
		mean := float64(hops) / lookups
		t.Logf("%s: %.2f hops, %.0f entries", c.name, mean, float64(entries)/lookups)
		if mean < c.lo || mean > c.hi {
			t.Errorf("%s: %.2f hops in the mean, want %.2f to %.2f", c.name, mean, c.lo, c.hi)
		}
	}
}

func BenchmarkPreload(b *testing.B) {
	_, all := preloaded(b, 2000, nil)
	m := load(b, all, 0, nil)
	v := m.View()
	t := chord.Table{Predecessor: v.Predecessor}
	for _, c := range v.Successors {
		t.Successors = append(t.Successors, &c.Contact)
	}
	for _, c := range v.Fingers {
		t.Fingers = append(t.Fingers, &c.Contact)
	}
	b.ReportMetric(float64(v.Entries), "entries")
	b.ReportAllocs()
	for b.Loop() {
		m, err := chord.New(chord.Config{Self: v.Self, Server: true, Rand: rand.New(rand.NewPCG(1, 1))})
		if err != nil {
			b.Fatal(err)
		}
		m.Preload(time.Unix(1_000_000, 0), t)
	}
}

func BenchmarkCheckRing(b *testing.B) {
	list, _ := preloaded(b, 64, func(c *chord.Config) { c.Ring.Successors, c.Fingers.Bits = 4, 4 })
	var states []chord.State
	for _, m := range list {
		states = append(states, m.State())
	}
	for b.Loop() {
		if err := chord.CheckRing(states); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFind is one step of a lookup at the node that is asked.
func BenchmarkFind(b *testing.B) {
	list, all := preloaded(b, 2000, nil)
	msg := &chord.FindRequest{Key: []byte("key"), N: 8}
	now := time.Unix(1_000_000, 0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now = now.Add(time.Millisecond * 10)
		list[0].Step(now, overlay.Inbound{Req: overlay.ReqID(i), From: all[1], Remote: all[1].Addrs[0], Server: true, Msg: msg})
	}
}
