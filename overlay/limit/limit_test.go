package limit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/overlay/limit"
)

func TestPeers(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := limit.Peers{PerSecond: 10, Burst: 5}
	for i := range 5 {
		if !l.Allow(now, "a") {
			t.Fatalf("request %d of the burst was refused", i)
		}
	}
	if l.Allow(now, "a") {
		t.Error("a sixth at once was allowed")
	}
	if !l.Allow(now, "b") {
		t.Error("another peer pays for the first one")
	}
	now = now.Add(250 * time.Millisecond) // two tokens more, and a half
	for i := range 3 {
		if got := l.Allow(now, "a"); got != (i < 2) {
			t.Errorf("request %d after 250 ms: %v; two were due", i, got)
		}
	}
	now = now.Add(time.Hour)
	if l.Sweep(now); l.Len() != 0 {
		t.Errorf("%d peers are remembered after an hour", l.Len())
	}
	unlimited := limit.Peers{PerSecond: -1}
	for range 1000 {
		if !unlimited.Allow(now, "a") {
			t.Fatal("a lifted limit refused")
		}
	}
}

// TestBoundedMemory: strangers by the thousand take bounded memory, and once
// they are gone new ones are served.
func TestBoundedMemory(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := limit.Peers{PerSecond: 1, Burst: 10}
	for i := range 3 * limit.MaxPeers {
		allowed := l.Allow(now, peer.ID(fmt.Sprint(i)))
		if allowed != (i < limit.MaxPeers) {
			t.Fatalf("stranger %d: %v", i, allowed)
		}
	}
	if n := l.Len(); n > limit.MaxPeers {
		t.Errorf("%d peers remembered", n)
	}
	if !l.Allow(now.Add(2*time.Second), "late") {
		t.Error("refused although the others' allowances are full again")
	}
}
