package chord_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"ringswap/chord"
	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// ruin is a run of random changes to a ring of up to 16 places, many of which
// break it.
type ruin struct {
	rng    *rand.Rand
	r      int
	states map[overlay.ID]chord.State
}

func (u *ruin) place() overlay.ID { return at(16 * u.rng.IntN(16)) }

// all are the states, in no order.
func (u *ruin) all() (out []chord.State) {
	for _, s := range u.states {
		out = append(out, s)
	}
	return out
}

// ideal is the state that a node would have if it knew everyone in the ring.
func (u *ruin) ideal(self overlay.ID) chord.State {
	s := chord.State{Self: self, R: u.r, Member: true}
	var others []overlay.ID
	for id := range u.states {
		if id != self {
			others = append(others, id)
		}
	}
	slices.SortFunc(others, func(a, b overlay.ID) int { return a.Sub(self).Compare(b.Sub(self)) })
	if n := len(others); n > 0 {
		s.Predecessor, s.HasPredecessor = others[n-1], true
		s.Successors = others[:min(n, u.r)]
	}
	return s
}

// next changes one node: it comes, goes, or has another list; most often it has
// the list that it should.
func (u *ruin) next() chord.State {
	s := u.ideal(u.place())
	n := len(s.Successors)
	switch p := u.rng.IntN(60); {
	case p < 3:
		s.Member = false
	case p < 4:
		s.HasPredecessor = false
	case p < 5:
		s.Predecessor = u.place()
	case p < 8 && n > 0: // somebody is missing
		i := u.rng.IntN(n)
		s.Successors = slices.Delete(s.Successors, i, i+1)
	case p < 9: // somebody is there who does not belong, in order or not
		s.Successors = slices.Insert(s.Successors, u.rng.IntN(n+1), u.place())
		s.Successors = s.Successors[:min(len(s.Successors), u.r)]
	case p < 10:
		s.Successors = nil
	case p < 11: // knows only one, which may be dead
		s.Successors = []overlay.ID{u.place()}
	}
	return s
}

// loop is a ring in which everyone's neighbours are so many places away.
func (u *ruin) loop(stride int) (out []chord.State) {
	n := 4 + u.rng.IntN(8)
	for i := range n {
		out = append(out, chord.State{
			Self: at(16 * i), R: u.r, Member: true, HasPredecessor: true,
			Predecessor: at(16 * ((i + n - stride) % n)), Successors: []overlay.ID{at(16 * ((i + stride) % n))},
		})
	}
	return out
}

// TestRingMonitor: after every one of many random changes, it says what the checks
// say that look at all states.
func TestRingMonitor(t *testing.T) {
	verdicts := make(map[string]int)
	for seed := range uint64(120) {
		rng := rand.New(rand.NewPCG(seed, 3))
		u := &ruin{rng: rng, r: 1 + rng.IntN(4), states: make(map[overlay.ID]chord.State)}
		k := chord.NewRingMonitor()
		var plan []chord.State
		if seed%3 == 0 {
			plan = u.loop(1 + rng.IntN(3))
		}
		for step := range 200 {
			if len(plan) == 0 {
				plan = append(plan, u.next())
			}
			s := plan[0]
			plan = plan[1:]
			if s.Member {
				u.states[s.Self] = s
			} else {
				delete(u.states, s.Self)
			}
			k.Set(&s)
			for _, c := range []struct{ got, want error }{
				{k.CheckRing(), chord.CheckRing(u.all())}, {k.CheckProgress(), chord.CheckProgress(u.all())},
			} {
				if (c.got == nil) != (c.want == nil) || c.got != nil && c.got.Error() != c.want.Error() {
					t.Fatalf("seed %d, change %d: %v, want %v\n%v", seed, step, c.got, c.want, u.states)
				}
				verdicts[kindOf(c.want)]++
			}
			if k.Ideal() != chord.Ideal(u.all()) || k.Len() != len(u.states) {
				t.Fatalf("seed %d, change %d: ideal %t with %d members", seed, step, k.Ideal(), k.Len())
			}
		}
	}
	t.Log(verdicts)
	for _, kind := range kinds {
		if verdicts[kind] < 5 {
			t.Errorf("only %d of the verdicts were %q", verdicts[kind], kind)
		}
	}
}

// kinds are what the errors of the checks are about.
var kinds = []string{"", "out of order", "no live", "two rings", "goes around", "principals", "nothing would change"}

func kindOf(err error) string {
	for _, kind := range kinds[1:] {
		if err != nil && strings.Contains(err.Error(), kind) {
			return kind
		}
	}
	if err != nil {
		return "else"
	}
	return ""
}

// TestRingMonitorInTown: the same in a run of machines that come and go.
func TestRingMonitorInTown(t *testing.T) {
	w := newTown(t, 31, func(c *chord.Config) { c.Ring.Successors = 3 })
	k := chord.NewRingMonitor()
	looks := 0
	check := w.After
	w.After = func(n *overlaytest.Node) {
		check(n)
		s := machine(n).State()
		if !k.Set(&s) {
			return
		}
		looks++
		if got, want := k.CheckRing(), chord.CheckRing(k.States()); (got == nil) != (want == nil) {
			t.Fatalf("%v, want %v", got, want)
		}
		if got, want := k.CheckProgress(), chord.CheckProgress(k.States()); (got == nil) != (want == nil) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	w.grow(20)
	for range 10 {
		n := w.Nodes()[w.Rand().IntN(len(w.Nodes()))]
		w.Kill(n)
		k.Remove(n.ID)
		w.add(true)
		w.RunFor(20 * time.Second)
	}
	w.RunFor(5 * time.Minute)
	if looks < 100 || !k.Ideal() || k.Len() != 20 || k.Err() != nil {
		t.Errorf("%d looks, then %d members: %v", looks, k.Len(), k.Err())
	}
}

// BenchmarkRingMonitor is the cost of one event in a ring of 64 with lists of 8:
// one that changes nothing, and one that changes a list there and back.
func BenchmarkRingMonitor(b *testing.B) {
	u := &ruin{r: 8, states: make(map[overlay.ID]chord.State)}
	for i := range 64 {
		u.states[at(4*i)] = chord.State{}
	}
	k := chord.NewRingMonitor()
	for id := range u.states {
		s := u.ideal(id)
		k.Set(&s)
	}
	same := u.ideal(at(8))
	other := u.ideal(at(8))
	other.Successors = slices.Delete(other.Successors, 3, 4)
	for name, states := range map[string][]*chord.State{"nothing": {&same}, "list": {&other, &same}} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				k.Set(states[i%len(states)])
				if k.Err() != nil {
					b.Fatal(k.Err())
				}
			}
		})
	}
}
