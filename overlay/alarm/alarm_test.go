package alarm_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ringswap/overlay/alarm"
)

var start = time.Unix(1_000_000, 0)

// TestOrder compares with the simplest thing that could work: a sorted list.
func TestOrder(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var c alarm.Clock
		type entry struct {
			at      time.Time
			n       int
			stopped bool
		}
		var want []*entry
		var got []int
		set := make([]*alarm.Alarm, 0, 40)
		for n := range 40 {
			at := start.Add(time.Duration(rng.IntN(10)) * time.Second)
			want = append(want, &entry{at: at, n: n})
			set = append(set, c.Set(at, func() { got = append(got, n) }))
		}
		for range 15 {
			i := rng.IntN(len(set))
			c.Stop(set[i])
			want[i].stopped = true
			if set[i].Pending() {
				t.Fatalf("seed %d: a stopped alarm is pending", seed)
			}
		}
		slices.SortStableFunc(want, func(a, b *entry) int { return a.at.Compare(b.at) })
		for i := range 10 {
			now := start.Add(time.Duration(i) * time.Second)
			c.Advance(now)
			c.Ring()
			if next := c.Next(); !next.IsZero() && !next.After(now) {
				t.Fatalf("seed %d: at %v one is left over from %v", seed, now, next)
			}
		}
		var order []int
		for _, e := range want {
			if !e.stopped {
				order = append(order, e.n)
			}
		}
		if !slices.Equal(got, order) || c.Len() != 0 || !c.Next().IsZero() {
			t.Fatalf("seed %d: rang %v, want %v; %d left", seed, got, order, c.Len())
		}
	}
}

// TestRingEnds: an alarm that sets another for now does not ring forever, and
// the one that waits can still be stopped.
func TestRingEnds(t *testing.T) {
	var c alarm.Clock
	rang := 0
	var last *alarm.Alarm
	var again func()
	again = func() {
		rang++
		last = c.Set(start, again)
	}
	again()
	c.Advance(start)
	c.Ring()
	if rang != 2 || !c.Next().Equal(start) {
		t.Fatalf("rang %d times, next at %v", rang, c.Next())
	}
	c.Stop(last)
	if c.Ring(); rang != 2 || c.Len() != 0 {
		t.Errorf("a stopped alarm rang: %d times, %d left", rang, c.Len())
	}
}

// TestStrangers: stopping what is not there changes nothing.
func TestStrangers(t *testing.T) {
	var c, other alarm.Clock
	kept := 0
	c.Set(start, func() { kept++ })
	c.Stop(nil)
	c.Stop(other.Set(start, func() {}))
	done := c.Set(start, func() { kept++ })
	c.Advance(start)
	c.Ring()
	c.Stop(done)
	if kept != 2 || other.Len() != 1 {
		t.Errorf("%d rang, %d in the other clock", kept, other.Len())
	}
}

// TestTime: a clock never goes back, and counts from what it was last told.
func TestTime(t *testing.T) {
	var c alarm.Clock
	c.Advance(start)
	if got := c.Advance(start.Add(-time.Hour)); !got.Equal(start) || !c.Now().Equal(start) {
		t.Errorf("the clock went back to %v", got)
	}
	if a := c.After(time.Minute, func() {}); !a.At().Equal(start.Add(time.Minute)) {
		t.Errorf("a minute on is %v", a.At())
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		if d := alarm.Jitter(rng, time.Minute); d < 30*time.Second || d > 90*time.Second {
			t.Fatalf("a minute became %v", d)
		}
	}
}

// TestClose: nothing rings any more, neither what was set nor what will be.
func TestClose(t *testing.T) {
	var c alarm.Clock
	fail := func() { t.Error("an alarm of a closed clock rang") }
	before := c.Set(start, fail)
	c.Close()
	after := c.Set(start, fail)
	c.Advance(start)
	c.Ring()
	if before.Pending() || after.Pending() || c.Len() != 0 || !c.Next().IsZero() {
		t.Errorf("%d alarms are to ring, the next at %v", c.Len(), c.Next())
	}
	c.Stop(before)
	c.Stop(after)
}
