package publish_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"ringswap/overlay"
	"ringswap/overlay/alarm"
	"ringswap/overlay/operation"
	"ringswap/overlay/publish"
)

var epoch = time.Unix(1_000_000, 0)

const every = 24 * time.Hour

// node is a publisher with a clock, whose announcements last as long as they are
// told to.
type node struct {
	t *testing.T
	publish.Publisher[struct{}]
	clock      alarm.Clock
	background operation.Background
	running    int
}

type key = publish.Key[struct{}]

func newNode(t *testing.T, begun func(k *key, done func())) *node {
	n := &node{t: t, background: operation.Background{Limit: 3}}
	n.clock.Advance(epoch)
	n.Publisher = publish.Publisher[struct{}]{
		Clock: &n.clock, Rand: rand.New(rand.NewPCG(1, 1)), Every: every, Background: &n.background,
		Announce: func(k *key, done func()) {
			if n.running++; n.running > 3 {
				t.Errorf("%d announcements at a time", n.running)
			}
			begun(k, func() { n.running--; done() })
		},
	}
	return n
}

func (n *node) run(d time.Duration) {
	n.t.Helper()
	end := n.clock.Now().Add(d)
	for events := 0; ; events++ {
		next := n.clock.Next()
		if last := next.IsZero() || next.After(end); last || events%500 == 0 {
			if err := n.Check(); err != nil {
				n.t.Fatal(err)
			}
			if last {
				break
			}
		}
		n.clock.Advance(next)
		n.clock.Ring()
	}
	n.clock.Advance(end)
}

func keyOf(i int) overlay.Key { return overlay.RawKey(fmt.Append(nil, i)) }

// TestPromise: keys whose announcements fail often, and take their time, are
// announced again in time all the same, until they are removed.
func TestPromise(t *testing.T) {
	const keys, days = 200, 20
	rng := rand.New(rand.NewPCG(7, 7))
	taken := make(map[overlay.ID]time.Time)
	removed := make(map[overlay.ID]bool)
	announced, failed := 0, 0
	var n *node
	end := func(k *key, fails bool) {
		if announced++; fails {
			failed++
			if k.Holders = 0; rng.IntN(2) == 0 {
				k.Holders = 5 // from before
			}
		} else {
			k.Holders, taken[k.ID()] = 5, n.clock.Now()
		}
		n.Ended(k, fails)
	}
	n = newNode(t, func(k *key, done func()) {
		if removed[k.ID()] {
			t.Errorf("key %s is announced after its removal", k.ID().Short())
		}
		fails := rng.IntN(3) == 0
		if rng.IntN(10) == 0 { // nobody known: it ends at once
			end(k, true)
			done()
			return
		}
		n.clock.After(time.Duration(rng.Int64N(int64(time.Minute))), func() {
			end(k, fails)
			done()
		})
	})
	for i := range keys {
		k := n.Begin(keyOf(i))
		if i%3 == 0 {
			n.Abandoned(k)
			continue
		}
		end(k, i%3 == 1)
	}
	for day := range days {
		n.run(every)
		for k := range n.All() {
			if late := n.clock.Now().Sub(taken[k.ID()]); late > every*9/8+3*time.Hour {
				t.Errorf("day %d: key %s was announced %v ago", day, k.ID().Short(), late)
			}
		}
		if day%2 == 0 {
			gone := keyOf(day)
			n.Remove(gone)
			removed[gone.ID()] = true
		}
	}
	if n.Len() != keys-days/2 || n.Get(keyOf(0).ID()) != nil || n.Get(keyOf(1).ID()) == nil {
		t.Errorf("%d keys are left", n.Len())
	}
	t.Logf("%d announcements, %d failed", announced, failed)
	if announced > 3*keys*days || failed < keys*days/10 {
		t.Errorf("%d announcements, %d failed", announced, failed)
	}
}

// TestRetry: what nobody took is tried again ever less often, but never later
// than it would be its turn.
func TestRetry(t *testing.T) {
	var n *node
	var tries []time.Duration
	n = newNode(t, func(k *key, done func()) {
		tries = append(tries, n.clock.Now().Sub(epoch))
		n.Ended(k, len(tries) < 30)
		done()
	})
	n.Ended(n.Begin(keyOf(1)), true)
	n.run(time.Hour)
	if c := len(tries); c < 3 || c > 8 {
		t.Errorf("%d attempts in the first hour: %v", c, tries)
	}
	n.run(100 * time.Hour)
	if len(tries) < 30 {
		t.Fatalf("%d attempts in a hundred hours", len(tries))
	}
	for i, at := range tries[:30] {
		if i > 0 && at-tries[i-1] > 90*time.Minute {
			t.Errorf("attempt %d came after %v", i, at-tries[i-1])
		}
	}
	if len(tries) > 36 {
		t.Errorf("%d attempts, although the 30th was good", len(tries))
	}
}

// TestResume: what nobody holds is announced as soon as somebody is there, and
// nothing else.
func TestResume(t *testing.T) {
	var n *node
	var got []overlay.ID
	n = newNode(t, func(k *key, done func()) {
		got = append(got, k.ID())
		k.Holders = 1
		n.Ended(k, false)
		done()
	})
	lonely, held, busy := n.Begin(keyOf(1)), n.Begin(keyOf(2)), n.Begin(keyOf(3))
	n.Ended(lonely, false) // there was nobody to tell
	held.Holders = 1
	n.Ended(held, false)
	for range 3 {
		n.Resume()
	}
	n.run(time.Minute)
	n.Resume()
	n.run(time.Minute)
	if len(got) != 1 || got[0] != lonely.ID() || !busy.Busy() {
		t.Errorf("%d keys were announced", len(got))
	}
}

// TestRemovedWhileBusy: an announcement that ends after its key was removed, or
// after the key was provided anew, changes nothing.
func TestRemovedWhileBusy(t *testing.T) {
	n := newNode(t, func(*key, func()) { t.Error("a removed key was announced") })
	old := n.Begin(keyOf(1))
	n.Remove(keyOf(1))
	n.Remove(keyOf(1))
	n.Ended(old, true)
	n.Abandoned(old)
	if n.clock.Len() != 0 || n.Provides(old) {
		t.Error("a removed key has a turn")
	}
	again := n.Begin(keyOf(1))
	n.Ended(old, false)
	if !again.Busy() || n.clock.Len() != 0 {
		t.Error("the old announcement ended the new one")
	}
	n.Ended(again, false)
	n.background.Close()
	n.Remove(keyOf(1))
	n.run(2 * every)
}

// TestSpread: ten thousand keys that were provided at once never come due at once
// again.
func TestSpread(t *testing.T) {
	const keys = 10_000
	perHour := make([]int, 28)
	var n *node
	n = newNode(t, func(k *key, done func()) {
		perHour[n.clock.Now().Sub(epoch)/time.Hour]++
		n.Remove(k.Key)
		n.Ended(k, false)
		done()
	})
	for i := range keys {
		n.Ended(n.Begin(keyOf(i)), false)
	}
	n.run(every * 9 / 8)
	if n.Len() != 0 {
		t.Errorf("%d keys had no turn", n.Len())
	}
	for hour, c := range perHour {
		if c > keys/24*13/10 {
			t.Errorf("hour %d: %d of %d keys", hour, c, keys)
		}
	}
}

// TestTurn: each key comes once in an every, and never very soon, wherever it
// is and whatever the time; many keys are spread evenly.
func TestTurn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	perHour := make([]int, 28)
	for i := range 5000 {
		key := overlay.RawKey(fmt.Append(nil, i)).ID()
		origin := 5 * time.Hour
		wait := publish.Turn(epoch, key, every, origin)
		if wait < every/8 || wait > every*9/8 {
			t.Fatalf("due in %v", wait)
		}
		perHour[wait/time.Hour]++
		later := epoch.Add(time.Duration(rng.Int64N(int64(wait))))
		again := later.Add(publish.Turn(later, key, every, origin))
		if late := again.Sub(epoch) - wait; late != 0 && late != every {
			t.Fatalf("asked later, the turn is another: %v off", late)
		}
	}
	for hour, n := range perHour[3:27] {
		if n < 130 || n > 290 {
			t.Errorf("%d of 5000 keys are due in hour %d", n, hour+3)
		}
	}
}
