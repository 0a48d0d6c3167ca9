package main

import (
	"strings"
	"testing"
	"time"

	"ringswap/internal/node"
)

func TestLineProgress(t *testing.T) {
	var b strings.Builder
	now := time.Unix(0, 0)
	l := &lineProgress{out: &b, now: func() time.Time { return now }}
	at := func(d time.Duration, p node.Progress) {
		now = time.Unix(0, 0).Add(d)
		l.update(p)
	}
	const mb = 1 << 20
	at(0, node.Progress{Phase: "finding"})
	at(time.Second, node.Progress{Phase: "finding", Note: "nobody has it yet"})
	at(2*time.Second, node.Progress{Phase: "finding", Note: "nobody has it yet"})
	for i := range 101 {
		at(3*time.Second+time.Duration(i)*250*time.Millisecond, node.Progress{
			Phase: "fetching", Name: "evil\x1b[2J", Done: int64(i) * mb, Total: 100 * mb, Peers: 2,
		})
	}
	at(29*time.Second, node.Progress{Phase: "finishing"})
	l.done()
	golden(t, "progress.txt", b.String())
}

func TestLineProgressOfUnknownSize(t *testing.T) {
	var b strings.Builder
	now := time.Unix(0, 0)
	l := &lineProgress{out: &b, now: func() time.Time { return now }}
	for i := range 13 {
		now = time.Unix(int64(i), 0)
		l.update(node.Progress{Phase: "hashing", Done: int64(i) << 20})
	}
	l.done()
	golden(t, "progress-unknown.txt", b.String())
}

func TestMeter(t *testing.T) {
	var m meter
	start := time.Unix(0, 0)
	if m.rate() != 0 || m.left(node.Progress{Total: 5}) != 0 {
		t.Error("a rate from nothing")
	}
	// 50 MB were there at the start; 10 MB/s since, then 1 MB/s.
	done := int64(50e6)
	at := start
	for range 100 {
		m.add(at, done)
		at, done = at.Add(100*time.Millisecond), done+1e6
	}
	if r := m.rate(); r < 9.9e6 || r > 10.1e6 {
		t.Errorf("rate %g, want 10 MB/s", r)
	}
	if d := m.left(node.Progress{Done: done, Total: done + 100e6}); d != 10*time.Second {
		t.Errorf("%v left, want 10s", d)
	}
	for range 100 {
		m.add(at, done)
		at, done = at.Add(100*time.Millisecond), done+1e5
	}
	if r := m.rate(); r < 0.99e6 || r > 1.01e6 {
		t.Errorf("rate %g, want 1 MB/s of the last seconds", r)
	}
	m.add(at, 0) // another file
	if m.rate() != 0 {
		t.Error("the rate of another file goes on")
	}
}

func TestPlainLive(t *testing.T) {
	var b strings.Builder
	now := time.Unix(0, 0)
	l := &plainLive{out: &b, now: func() time.Time { return now }}
	for i, line := range []string{"a", "a", "b", "c", "c", "d"} {
		now = time.Unix(int64(i)*6, 0)
		l.update(line)
	}
	l.done()
	if b.String() != "a\nb\nc\n" {
		t.Errorf("%q", b.String())
	}
}
