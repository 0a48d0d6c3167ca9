package chord_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/internal/sim"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

func recursive(c *chord.Config) { c.Lookup.Recursive = true }

// TestRecursive: lookups that are passed on find what the oracle says, and their
// trace names a chain of nodes that ends with the owner.
func TestRecursive(t *testing.T) {
	w := newTown(t, 31, func(c *chord.Config) {
		recursive(c)
		c.Ring.Successors, c.Copies, c.Cache.Entries, c.Lookup.Guess = 3, 3, -1, -1
	})
	w.grow(60)
	w.settled()
	find, passed := 0, 0
	w.Lost = func(_, _ *overlaytest.Node, m overlay.Message) bool {
		switch m.(type) {
		case *chord.FindRequest:
			find++
		case *chord.ForwardRequest:
			passed++
		}
		return false
	}
	for i, n := range w.Nodes() {
		key := overlay.RawKey(fmt.Append(nil, "key", i))
		op := n.Do(overlay.FindClosest{Key: key})
		if op.Err != nil {
			t.Fatal(op.Err)
		}
		want := clockwise(key.ID(), contactsOf(w.Nodes()), 3)
		p := op.Result.Path
		if !slices.EqualFunc(p.Closest, want, func(a, b overlay.Contact) bool { return a.ID == b.ID }) {
			t.Errorf("lookup %d found something else than the oracle", i)
		}
		for k, s := range p.Steps {
			if s.Via != k-1 || s.Hop != k+1 || s.Err != nil || k == 0 && s.Took <= 0 || !p.Recursive {
				t.Errorf("lookup %d: step %d is %+v", i, k, s)
			}
		}
		if last := len(p.Steps) - 1; last >= 0 && (p.Steps[last].To.ID != want[0].ID || p.Hops != last) {
			t.Errorf("lookup %d: %d steps, %d hops, the last to %s", i, len(p.Steps), p.Hops, p.Steps[last].To.ID.Short())
		}
	}
	if passed == 0 || find > passed {
		t.Errorf("%d lookups were passed on, %d nodes were asked", passed, find)
	}
}

func contactsOf(nodes []*overlaytest.Node) (out []overlay.Contact) {
	for _, n := range nodes {
		out = append(out, n.Contact)
	}
	return out
}

// TestRecursiveFailures: nodes on the way that died are passed over, and a result
// that never comes is no harm: the asker asks by itself.
func TestRecursiveFailures(t *testing.T) {
	for name, lost := range map[string]func(from, to *overlaytest.Node, m overlay.Message) bool{
		"a third is dead": nil,
		"no results": func(_, _ *overlaytest.Node, m overlay.Message) bool {
			_, result := m.(*chord.ResultRequest)
			return result
		},
		"no forwards": func(_, _ *overlaytest.Node, m overlay.Message) bool {
			_, forward := m.(*chord.ForwardRequest)
			return forward
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, 32, recursive)
			w.grow(40)
			w.Lost = lost
			if lost == nil {
				for i, n := range w.Nodes() {
					if i%3 == 1 {
						w.Kill(n)
					}
				}
			}
			for i, n := range w.Nodes() {
				key := overlay.RawKey(fmt.Append(nil, "key", i))
				op := n.Do(overlay.FindClosest{Key: key})
				if op.Err != nil || len(op.Result.Path.Closest) == 0 {
					t.Errorf("lookup %d: %v", i, op.Err)
					continue
				}
				if want := clockwise(key.ID(), contactsOf(w.Nodes()), 1); op.Result.Path.Closest[0].ID != want[0].ID {
					t.Errorf("lookup %d found %s", i, op.Result.Path.Closest[0].ID.Short())
				}
			}
		})
	}
}

// TestRecursiveHops: in a large ring whose tables are full of dead nodes, too,
// every lookup finds the owner.
func TestRecursiveHops(t *testing.T) {
	for _, dead := range []float64{0, .2} {
		r, err := sim.Hops(sim.HopsConfig{
			Settings: sim.Settings{Seed: 4, Overlay: frozen(func(c *chord.Config) {
				recursive(c)
				c.Cache.Entries, c.Limits.Forwards = 100, -1
			})},
			Nodes: 1000, Lookups: 1000, Sampled: 10, Dead: dead,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("seed 4, %.0f %% dead: %.2f hops, %d failed", 100*dead, r.MeanHops, r.Failed)
		if r.Failed > 0 || r.MeanHops > 3 {
			t.Errorf("%d of %d lookups failed, %.2f hops", r.Failed, r.Lookups, r.MeanHops)
		}
	}
}

// post is a machine at place 10 of a ring with 5, 20, 30 and 50 near it and a
// finger at 80, whose neighbours the test plays.
type post struct {
	*chord.Machine
	t    *testing.T
	now  time.Time
	sent []overlay.Send
	done []overlay.Done
}

func newPost(t testing.TB, change func(*chord.Config)) *post {
	cfg := chord.Config{Self: *standing(10), Server: true, Rand: rand.New(rand.NewPCG(1, 1))}
	cfg.Ring.Successors, cfg.Ring.Stabilize, cfg.Ring.AnyID, cfg.Ring.Addressless = 3, -1, true, true
	cfg.Fingers.Refresh, cfg.Records.Sync, cfg.Lookup.Recursive, cfg.Lookup.Hurry = -1, -1, true, -1
	if change != nil {
		change(&cfg)
	}
	m, err := chord.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &post{Machine: m, now: time.Unix(1_000_000, 0)}
	p.t, _ = t.(*testing.T)
	m.Preload(p.now, chord.Table{Predecessor: standing(5), Successors: contacts(20, 30, 50), Fingers: contacts(80)})
	return p
}

// give is one event; it returns the reply if there was one.
func (p *post) give(ev overlay.Event) (reply *overlay.Reply) {
	for _, eff := range p.Step(p.now, ev) {
		switch eff := eff.(type) {
		case overlay.Reply:
			if reply != nil {
				panic("two replies")
			}
			reply = &eff
		case overlay.Send:
			p.sent = append(p.sent, eff)
		case overlay.Done:
			p.done = append(p.done, eff)
		}
	}
	if err := p.CheckInvariants(); err != nil {
		panic(err)
	}
	return reply
}

func (p *post) inbound(from int, msg overlay.Message) overlay.Reply {
	return *p.give(overlay.Inbound{Req: 9, From: standing(from), Server: true, Msg: msg})
}

// take is the only message that was sent since the last call.
func take[M any](p *post, to int) (M, overlay.Send) {
	p.t.Helper()
	if len(p.sent) != 1 {
		p.t.Fatalf("%d messages were sent, not 1", len(p.sent))
	}
	s := p.sent[0]
	p.sent = nil
	msg, ok := s.Msg.(M)
	if !ok || s.To.ID != at(to) {
		p.t.Fatalf("a %T was sent to %s, not to %d", s.Msg, s.To.ID.Short(), to)
	}
	return msg, s
}

func hop(place int) chord.Hop { return chord.Hop{Node: standing(place)} }

// asked starts a lookup of place 100, which goes to 80.
func (p *post) asked() *chord.ForwardRequest {
	p.t.Helper()
	key := at(100)
	p.give(overlay.Start{Op: 1, Query: overlay.FindClosest{Key: overlay.RawKey(key[:]), N: 2}})
	msg, s := take[*chord.ForwardRequest](p, 80)
	p.give(overlay.Answer{Req: s.Req, Msg: &chord.ForwardAnswer{}})
	return msg
}

// TestResults: of all that comes in the name of a result only one ends the lookup:
// the one from the owner itself, with the lookup's number, by the way that it took.
func TestResults(t *testing.T) {
	p := newPost(t, nil)
	q := p.asked().Query
	owner, trace := contacts(110, 120), []chord.Hop{hop(80), hop(90)}
	for name, c := range map[string]struct {
		from int
		msg  *chord.ResultRequest
		why  error
	}{
		"another number":    {110, &chord.ResultRequest{Query: q + 1, Owners: owner, Trace: trace}, chord.ErrUnasked},
		"no number":         {110, &chord.ResultRequest{Owners: owner, Trace: trace}, chord.ErrUnasked},
		"not the owner":     {90, &chord.ResultRequest{Query: q, Owners: owner, Trace: trace}, chord.ErrForged},
		"another way":       {110, &chord.ResultRequest{Query: q, Owners: owner, Trace: []chord.Hop{hop(90)}}, chord.ErrForged},
		"no way at all":     {110, &chord.ResultRequest{Query: q, Owners: owner}, chord.ErrForged},
		"out of order":      {110, &chord.ResultRequest{Query: q, Owners: contacts(110, 120, 115), Trace: trace}, chord.ErrDisorder},
		"a list that turns": {110, &chord.ResultRequest{Query: q, Owners: contacts(110, 110), Trace: trace}, chord.ErrDisorder},
	} {
		r := p.inbound(c.from, c.msg)
		if !errors.Is(r.Err, c.why) || len(p.done) > 0 {
			t.Errorf("%s: %v, %d lookups ended", name, r.Err, len(p.done))
		}
		if p.View().Refused[c.why.Error()] == 0 {
			t.Errorf("%s is not counted", name)
		}
	}
	right := &chord.ResultRequest{Query: q, Owners: owner, Trace: trace}
	if r := p.inbound(110, right); r.Err != nil || len(p.done) != 1 || p.done[0].Err != nil {
		t.Fatalf("the result: %v, %+v", r.Err, p.done)
	}
	path := p.done[0].Result.Path
	if len(path.Closest) != 2 || path.Closest[0].ID != at(110) || path.Hops != 2 || path.RPCs() != 3 {
		t.Errorf("the path is %+v", path)
	}
	if r := p.inbound(110, right); !errors.Is(r.Err, chord.ErrUnasked) {
		t.Errorf("the same once more: %v", r.Err)
	}
}

// TestNoResult: the asker asks by itself when the result is late, and at once when
// it hears that there will be none; a result that is only late still counts.
func TestNoResult(t *testing.T) {
	p := newPost(t, nil)
	q := p.asked().Query
	p.inbound(80, &chord.ResultRequest{Query: q})
	take[*chord.FindRequest](p, 80)
	p.inbound(110, &chord.ResultRequest{Query: q, Owners: contacts(110), Trace: []chord.Hop{hop(80)}})
	if len(p.done) != 1 || p.done[0].Err != nil {
		t.Errorf("a result that came late: %+v", p.done)
	}

	p = newPost(t, nil)
	p.asked()
	for range 100 {
		if len(p.sent) > 0 {
			break
		}
		p.now = p.Deadline()
		p.give(overlay.Tick{})
	}
	take[*chord.FindRequest](p, 80)
}

// TestSilentNext: who does not acknowledge is passed over, by the asker and by
// those on the way, who say how many they met.
func TestSilentNext(t *testing.T) {
	p := newPost(t, nil)
	key := at(100)
	req := &chord.ForwardRequest{Key: key[:], N: 2, Query: 7, Asker: standing(5), HopsLeft: 8}
	if r := p.inbound(5, req); r.Err != nil {
		t.Fatal(r.Err)
	}
	_, s := take[*chord.ForwardRequest](p, 80)
	p.give(overlay.Answer{Req: s.Req, Err: overlay.ErrTimeout})
	msg, _ := take[*chord.ForwardRequest](p, 50)
	if len(msg.Trace) != 1 || msg.Trace[0].Silent != 1 || msg.Trace[0].Node.ID != at(10) || msg.HopsLeft != 7 || msg.Asker.ID != at(5) {
		t.Errorf("passed on: %+v", msg)
	}
}

// TestForwardRefused: what a node does not pass on.
func TestForwardRefused(t *testing.T) {
	key := at(100)
	change := func(f func(*chord.ForwardRequest)) *chord.ForwardRequest {
		m := &chord.ForwardRequest{Key: key[:], N: 2, Query: 7, Asker: standing(5), HopsLeft: 8}
		f(m)
		return m
	}
	for name, c := range map[string]struct {
		msg *chord.ForwardRequest
		why error
	}{
		"for another":       {change(func(m *chord.ForwardRequest) { m.Asker = standing(6) }), chord.ErrForged},
		"for nobody":        {change(func(m *chord.ForwardRequest) { m.Asker = nil }), chord.ErrForged},
		"for us":            {change(func(m *chord.ForwardRequest) { m.Asker, m.Trace = standing(10), []chord.Hop{hop(5)} }), chord.ErrForged},
		"a foreign trace":   {change(func(m *chord.ForwardRequest) { m.Asker, m.Trace = standing(6), []chord.Hop{hop(7)} }), chord.ErrForged},
		"a hop without one": {change(func(m *chord.ForwardRequest) { m.Trace = []chord.Hop{{}} }), chord.ErrForged},
		"a circle":          {change(func(m *chord.ForwardRequest) { m.Asker, m.Trace = standing(6), []chord.Hop{hop(10), hop(5)} }), chord.ErrBounds},
		"too many wanted":   {change(func(m *chord.ForwardRequest) { m.N = chord.MaxForwardN + 1 }), chord.ErrBounds},
		"no key":            {change(func(m *chord.ForwardRequest) { m.Key = nil }), chord.ErrBounds},
		"no number":         {change(func(m *chord.ForwardRequest) { m.Query = 0 }), chord.ErrBounds},
		"a long trace":      {change(func(m *chord.ForwardRequest) { m.Trace = slices.Repeat([]chord.Hop{hop(5)}, chord.MaxTrace) }), chord.ErrBounds},
	} {
		p := newPost(t, nil)
		if r := p.inbound(5, c.msg); !errors.Is(r.Err, c.why) || len(p.sent) > 0 {
			t.Errorf("%s: %v, %d sent", name, r.Err, len(p.sent))
		}
	}
	p := newPost(t, nil)
	p.inbound(5, change(func(m *chord.ForwardRequest) { m.HopsLeft = 0 }))
	if msg, _ := take[*chord.ResultRequest](p, 5); len(msg.Owners) > 0 {
		t.Error("a lookup without hops left was passed on")
	}
}

// TestForwardLimits: one asker gets no more than its share, whoever passes its
// lookups on, and one that refuses results is sent only a few.
func TestForwardLimits(t *testing.T) {
	p := newPost(t, func(c *chord.Config) { c.Limits.Forwards, c.Limits.ForwardBurst = 1, 50 })
	own := at(8) // the machine's own: it sends a result for each
	results, passed := 0, 0
	for i := range 200 {
		from := []int{20, 30, 50, 80}[i%4]
		req := &chord.ForwardRequest{
			Key: own[:], N: 2, Query: uint64(i + 1), Asker: standing(66), HopsLeft: 8, Trace: []chord.Hop{hop(from)},
		}
		if r := p.inbound(from, req); r.Err == nil {
			passed++
		}
		for _, s := range p.sent {
			results++
			p.give(overlay.Answer{Req: s.Req, Err: overlay.ErrRefused})
		}
		p.sent = nil
	}
	if passed > 6 || results > 6 {
		t.Errorf("%d lookups were taken and %d results sent to a node that refuses all", passed, results)
	}

	p = newPost(t, func(c *chord.Config) { c.Limits.Forwards, c.Limits.ForwardBurst = 1, 50 })
	passed = 0
	for i := range 200 {
		req := &chord.ForwardRequest{Key: own[:], N: 2, Query: uint64(i + 1), Asker: standing(66), HopsLeft: 8, Trace: []chord.Hop{hop(20)}}
		if r := p.inbound(20, req); r.Err == nil {
			passed++
		}
		for _, s := range p.sent {
			p.give(overlay.Answer{Req: s.Req, Msg: &chord.ResultAnswer{}})
		}
		p.sent = nil
	}
	if passed != 50 {
		t.Errorf("%d of 200 lookups at once were taken, not 50", passed)
	}
}

// FuzzRecursive: whatever arrives while a lookup is passed on, the machine answers
// each request once, sends at most one message for it, and keeps its promises.
func FuzzRecursive(f *testing.F) {
	key := at(100)
	for _, m := range []chord.Message{
		&chord.ForwardRequest{Key: key[:], N: 2, Query: 7, Asker: standing(5), HopsLeft: 8},
		&chord.ForwardRequest{Key: key[:], N: 2, Query: 7, Asker: standing(6), HopsLeft: 8, Owner: true, Trace: []chord.Hop{hop(5)}},
		&chord.ForwardRequest{Key: []byte("key"), N: 64, Query: 1, Asker: standing(5), HopsLeft: 64},
		&chord.ResultRequest{Query: 3, Owners: contacts(5, 20), Trace: []chord.Hop{hop(80)}},
		&chord.ResultRequest{Query: 3},
	} {
		b, err := chord.Codec{}.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, byte(5), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, from byte, known bool) {
		msg, err := chord.Codec{}.Decode(b)
		if err != nil {
			return
		}
		p := newPost(t, nil)
		query := p.asked().Query
		if r, ok := msg.(*chord.ResultRequest); ok && known {
			r.Query = query
		}
		if from == 10 {
			from = 5
		}
		p.inbound(int(from), msg)
		if len(p.sent) > 1 {
			t.Errorf("%d messages for one %T", len(p.sent), msg)
		}
	})
}
