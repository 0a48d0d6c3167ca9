package steer

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
)

var epoch = time.Unix(1_800_000_000, 0).UTC()

func root(t testing.TB, name string) cid.Cid {
	t.Helper()
	h, err := mh.Sum([]byte(name), mh.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	return cid.NewCidV1(cid.Raw, h)
}

func ptr[T any](v T) *T { return &v }

func add(t testing.TB, p *Plan, name string) int {
	t.Helper()
	task, isNew, err := p.Add(Task{Root: root(t, name), Name: name, Request: Request{Ref: root(t, name).String(), Path: "/tmp/" + name}, Added: epoch})
	if err != nil || !isNew {
		t.Fatalf("new: %v, %v", isNew, err)
	}
	return task.ID
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSettings(t *testing.T) {
	p := New()
	must(t, p.Set(Change{LimitUp: ptr[int64](1000), AtOnce: ptr(3)}))
	must(t, p.Set(Change{LimitDown: ptr[int64](5), GoalRatio: ptr(2.0)}))
	want := Settings{LimitUp: 1000, LimitDown: 5, AtOnce: 3, Goal: Goal{Ratio: 2}}
	for _, bad := range []Change{
		{LimitUp: ptr[int64](-2)},
		{LimitDown: ptr[int64](-1), LimitUp: ptr[int64](7)},
		{LimitDown: ptr[int64](math.MaxInt64)},
		{AtOnce: ptr(-1)},
		{GoalRatio: ptr(math.NaN())},
		{GoalRatio: ptr(math.Inf(1))},
		{GoalSeconds: ptr(-1.0)},
	} {
		if err := p.Set(bad); !errors.Is(err, ErrSetting) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if p.Settings() != want {
		t.Errorf("%+v, want %+v", p.Settings(), want)
	}
	if !(Change{}).Empty() || (Change{AtOnce: ptr(0)}).Empty() {
		t.Error("Empty is wrong")
	}
}

// Some run at a time, in the order of asking; one that runs keeps its place, one
// that is paused or waits gives it up.
func TestQueue(t *testing.T) {
	p := New()
	must(t, p.Set(Change{AtOnce: ptr(2)}))
	a, b, c, d := add(t, p, "a"), add(t, p, "b"), add(t, p, "c"), add(t, p, "d")
	want := func(when string, now time.Time, ids ...int) {
		t.Helper()
		got := p.Arrange(now)
		slices.Sort(got)
		if !slices.Equal(got, ids) {
			t.Errorf("%s: %v run, want %v", when, got, ids)
		}
	}
	want("at first", epoch, a, b)
	must(t, p.Pause(root(t, "a")))
	want("a is paused", epoch, b, c)
	must(t, p.Resume(root(t, "a")))
	want("a is resumed and has to wait", epoch, b, c)
	p.Failed(epoch, b, true, "nobody has it", "wait")
	want("nobody has b", epoch, a, c)
	if at := p.Deadline(epoch); !at.Equal(epoch.Add(time.Minute)) {
		t.Errorf("b is due at %v", at)
	}
	want("b is due, and has to wait", epoch.Add(time.Minute), a, c)
	p.Failed(epoch, c, false, "the disk is full", "")
	want("c failed", epoch.Add(2*time.Minute), a, b)
	must(t, p.Set(Change{AtOnce: ptr(1)}))
	want("fewer at a time", epoch.Add(2*time.Minute), a)
	must(t, p.Set(Change{AtOnce: ptr(0)}))
	want("any number", epoch.Add(2*time.Minute), a, b, d)
	must(t, p.Resume(root(t, "c")))
	p.Remove(d)
	want("c is resumed, d is done", epoch.Add(2*time.Minute), a, b, c)
}

// A node that is there for one command does its own transfer, and leaves those of
// the queue to the daemon.
func TestHold(t *testing.T) {
	p := New()
	p.Hold()
	must(t, p.Set(Change{AtOnce: ptr(1)}))
	add(t, p, "a")
	b, _, err := p.Add(Task{Root: root(t, "b"), Brief: true})
	must(t, err)
	if run := p.Arrange(epoch); !slices.Equal(run, []int{b.ID}) {
		t.Errorf("%v run, want %d", run, b.ID)
	}
}

// What is in the queue is not put there twice; two commands may wait for the same.
func TestAddTwice(t *testing.T) {
	p := New()
	id := add(t, p, "a")
	again, isNew, err := p.Add(p.Tasks()[0])
	if again.ID != id || isNew || err != nil {
		t.Errorf("added again: %+v, %v, %v", again, isNew, err)
	}
	for range 2 {
		if _, isNew, err := p.Add(Task{Root: root(t, "a"), Brief: true}); !isNew || err != nil {
			t.Errorf("brief: %v, %v", isNew, err)
		}
	}
}

func TestRetriesGetRarer(t *testing.T) {
	p := New()
	a := add(t, p, "a")
	now, waits := epoch, []time.Duration{}
	for range 9 {
		p.Failed(now, a, true, "nobody", "")
		at := p.Deadline(now)
		waits = append(waits, at.Sub(now).Round(time.Minute)/time.Minute)
		now = at
	}
	if want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60}; !slices.Equal(waits, want) {
		t.Errorf("waits of %v minutes, want %v", waits, want)
	}
}

func TestGoals(t *testing.T) {
	p := New()
	mine, got := root(t, "shared here"), root(t, "fetched here")
	must(t, p.Set(Change{GoalRatio: ptr(2.0), GoalSeconds: ptr(3600.0)}))
	p.Fetched(got)
	if p.Served(mine, 100, 1e9, 1e6*time.Hour) {
		t.Error("what was shared here is at rest by the goal for what was fetched")
	}
	if p.Served(got, 100, 199, time.Minute) || !p.Root(got).Active() {
		t.Error("at rest too early")
	}
	if !p.Served(got, 100, 1, 0) || p.Root(got).Active() {
		t.Error("not at rest at the ratio")
	}
	if p.Served(got, 100, 1, 0) || p.Root(got).Sent != 200 {
		t.Error("something counts while it is at rest")
	}
	must(t, p.SetRoot(got, 100, Change{GoalRatio: ptr(3.0)}))
	if !p.Root(got).Active() || p.Goal(got) != (Goal{3, 3600}) {
		t.Errorf("a higher goal: %+v", p.Root(got))
	}
	if p.Served(got, 100, 0, 58*time.Minute) || !p.Served(got, 100, 0, time.Minute) {
		t.Error("not at rest at the time")
	}
	must(t, p.Resume(got))
	if p.Served(got, 100, 1e9, 1e6*time.Hour) {
		t.Error("who was woken rests again")
	}
	if err := p.SetRoot(got, 0, Change{AtOnce: ptr(1)}); !errors.Is(err, ErrSetting) {
		t.Errorf("how many at a time for one CID: %v", err)
	}
}

func TestRetain(t *testing.T) {
	p := New()
	add(t, p, "queued")
	for _, name := range []string{"queued", "shared", "gone"} {
		must(t, p.Pause(root(t, name)))
	}
	p.Retain(func(c cid.Cid) bool { return c == root(t, "shared") })
	if got := p.Roots(); len(got) != 2 || slices.Contains(got, root(t, "gone")) {
		t.Errorf("%v are kept", got)
	}
	must(t, p.Resume(root(t, "shared")))
	if got := p.Roots(); len(got) != 1 {
		t.Errorf("a root of which nothing is set is kept: %v", got)
	}
}

// somePlan is a plan with something of everything.
func somePlan(t testing.TB) *Plan {
	p := New()
	must(t, p.Set(Change{LimitUp: ptr[int64](ServeNobody), LimitDown: ptr[int64](1e6), AtOnce: ptr(2), GoalSeconds: ptr(86400.0)}))
	add(t, p, "a")
	p.Failed(epoch, add(t, p, "b"), true, "nobody has it", "peer providers b")
	p.Reached(add(t, p, "d"), 5, 10)
	must(t, p.SetRoot(root(t, "a"), 0, Change{LimitDown: ptr[int64](5)}))
	must(t, p.Pause(root(t, "b")))
	p.Fetched(root(t, "c"))
	p.Served(root(t, "c"), 10, 5, time.Second)
	return p
}

func TestFile(t *testing.T) {
	p := somePlan(t)
	if _, _, err := p.Add(Task{Root: root(t, "brief"), Brief: true}); err != nil {
		t.Fatal(err)
	}
	b, err := p.Encode()
	must(t, err)
	q, err := Decode(b)
	must(t, err)
	if !reflect.DeepEqual(q.Settings(), p.Settings()) || !reflect.DeepEqual(q.roots, p.roots) {
		t.Errorf("came back as %+v", q)
	}
	if got, want := q.Tasks(), p.Tasks()[:3]; !reflect.DeepEqual(got, want) {
		t.Errorf("the queue came back as %+v, want %+v", got, want)
	}
	for i := range b {
		if _, err := Decode(b[:i]); i < len(b)-1 && !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut off at byte %d: %v", i, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, p := range []*Plan{New(), somePlan(f)} {
		b, err := p.Encode()
		must(f, err)
		f.Add(b)
	}
	f.Add([]byte(`{"version":1,"settings":{"limit_up":-2}}`))
	f.Add([]byte(`{"version":1,"roots":{"x":null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		p.Arrange(epoch)
		again, err := p.Encode()
		must(t, err)
		q, err := Decode(again)
		must(t, err)
		if !reflect.DeepEqual(p.Settings(), q.Settings()) || len(p.Tasks()) != len(q.Tasks()) || len(p.Roots()) != len(q.Roots()) {
			t.Fatalf("%+v came back as %+v", p, q)
		}
	})
}

// Whatever happens, no more run than may, nobody is stopped for another's sake, a
// place is never left empty, and what is paused or failed does not run.
func TestAnything(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p, now := New(), epoch
		var before []int
		for range 500 {
			lowered := false
			ids := p.Tasks()
			pick := func() Task { return ids[rng.IntN(len(ids))] }
			switch k := rng.IntN(8); {
			case k <= 1 || len(ids) == 0:
				name := string(rune('a' + rng.IntN(20)))
				_, _, err := p.Add(Task{Root: root(t, name), Request: Request{Path: "/tmp/" + name}, Brief: rng.IntN(4) == 0})
				must(t, err)
			case k == 2:
				n := rng.IntN(4)
				lowered = true
				must(t, p.Set(Change{AtOnce: &n}))
			case k == 3:
				must(t, p.Pause(pick().Root))
			case k == 4:
				must(t, p.Resume(pick().Root))
			case k == 5:
				p.Failed(now, pick().ID, rng.IntN(2) == 0, "why", "")
			case k == 6:
				p.Remove(pick().ID)
			default:
				now = now.Add(time.Duration(rng.IntN(300)) * time.Second)
			}
			run := p.Arrange(now)
			may, ready := p.Settings().AtOnce, 0
			for _, task := range p.Tasks() {
				r := p.Root(task.Root)
				ok := !r.Paused && !task.Failed && !now.Before(task.Again)
				if ok {
					ready++
				}
				runs := slices.Contains(run, task.ID)
				if runs && !ok {
					t.Fatalf("seed %d: task %d runs", seed, task.ID)
				}
				if !runs && ok && !lowered && slices.Contains(before, task.ID) {
					t.Fatalf("seed %d: task %d was stopped for another", seed, task.ID)
				}
			}
			if want := min(ready, may); may > 0 && len(run) != want || may == 0 && len(run) != ready {
				t.Fatalf("seed %d: %d run, %d are ready and %d may", seed, len(run), ready, may)
			}
			before = run
		}
	}
}
