package members

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// One who is out of reach is tried three times, with ever longer waits, and costs its
// namer its good name once; that is made good if it is met after all.
func TestOutOfReach(t *testing.T) {
	m := newMembers(t, Config{})
	m.Join(epoch, at(1))
	if n, err := m.Heard(epoch, id(1), []peer.AddrInfo{info(10, "/ip4/1.1.1.1/tcp/1")}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	var tried []time.Duration
	for d := time.Second; d < 10*time.Minute; d += 250 * time.Millisecond {
		now := epoch.Add(d)
		if got := m.Try(now, 5); len(got) > 0 {
			tried = append(tried, d)
			m.Failed(now.Add(time.Millisecond), got[0].ID)
		}
	}
	if len(tried) != 3 {
		t.Fatalf("tried at %v, want three times", tried)
	}
	first, second := tried[1]-tried[0], tried[2]-tried[1]
	if first < 5*time.Second || first > 16*time.Second || second < 15*time.Second || second > 46*time.Second {
		t.Errorf("tried at %v: the waits are not within 5 to 15 s, and 15 to 45 s", tried)
	}
	if s := m.namer(id(1)); s.failed != 1 || s.met != 0 {
		t.Errorf("its namer is blamed %d times, and was right %d times; want 1 and 0", s.failed, s.met)
	}
	m.Join(epoch.Add(9*time.Minute), at(10))
	if s := m.namer(id(1)); s.failed != 0 || s.met != 1 {
		t.Errorf("after it came: its namer is blamed %d times, and was right %d times; want 0 and 1", s.failed, s.met)
	}
}

// An attempt that nobody tells the end of, since the transfer has ended, is no reason
// never to make another.
func TestForgottenAttempt(t *testing.T) {
	m := newMembers(t, Config{})
	m.Join(epoch, at(1))
	if _, err := m.Heard(epoch, id(1), []peer.AddrInfo{info(10, "/ip4/1.1.1.1/tcp/1")}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0, 1, 0, 1, 0, 0, 0} {
		now := epoch.Add(2*time.Second + time.Duration(i)*30*time.Second)
		if got := m.Try(now, 5); len(got) != want {
			t.Errorf("after %v it is tried %d times, want %d", now.Sub(epoch), len(got), want)
		}
	}
}

// Two members that are told of each other at one moment meet, though two dials that
// cross on their way both fail.
func TestCrossingDials(t *testing.T) {
	crossed := 0
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 3))
		p := newPair(t, seed, time.Duration(1+rng.IntN(300))*time.Millisecond)
		for i, m := range p.members {
			heard := epoch.Add(time.Duration(rng.Int64N(int64(p.signal))))
			if n, err := m.Heard(heard, id(9), []peer.AddrInfo{info(2-i, "/ip4/1.1.1.1/tcp/1")}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		met := p.run(2 * time.Minute)
		crossed += p.crossed
		switch {
		case met == 0:
			t.Errorf("seed %d: a signal takes %v, and they never meet", seed, p.signal)
		case p.crossed == 0 && met > 3*time.Second:
			t.Errorf("seed %d: nothing failed, and they meet after %v", seed, met)
		}
	}
	if crossed > 300 {
		t.Errorf("in 1000 pairs %d dials crossed", crossed)
	}
}

// Even if they always try at one moment at first, for whatever reason.
func TestCrossingDialsInStep(t *testing.T) {
	for seed := range uint64(1000) {
		p := newPair(t, seed, 300*time.Millisecond)
		for i, m := range p.members {
			if n, err := m.Heard(epoch, id(9), []peer.AddrInfo{info(2-i, "/ip4/1.1.1.1/tcp/1")}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			m.named[0].next = epoch
		}
		if met := p.run(2 * time.Minute); met == 0 || p.crossed == 0 {
			t.Errorf("seed %d: %d dials crossed, and they meet after %v", seed, p.crossed, met)
		}
	}
}

// pair is two members, 1 and 2, that a third one, 9, names to each other.
type pair struct {
	t       *testing.T
	signal  time.Duration // takes so long from one to the other
	members [2]*Members
	crossed int
}

func newPair(t *testing.T, seed uint64, signal time.Duration) *pair {
	p := &pair{t: t, signal: signal}
	for i := range p.members {
		var err error
		if p.members[i], err = New(Config{Self: id(i + 1), Rand: rand.New(rand.NewPCG(seed, uint64(i)))}); err != nil {
			t.Fatal(err)
		}
		p.members[i].Join(epoch, at(9))
	}
	return p
}

// run lets them try each other four times a second, as a transfer does, both at the
// same moments, which is the worst that can be; and returns after how long they meet; 0 is not at all.
func (p *pair) run(long time.Duration) time.Duration {
	var dialed [2]time.Time // when it dialled; zero: it does not
	for d := time.Duration(0); d < long; d += time.Millisecond {
		now := epoch.Add(d)
		for i, m := range p.members {
			if d%(250*time.Millisecond) == 0 && dialed[i].IsZero() && len(m.Try(now, 4)) > 0 {
				dialed[i] = now
			}
		}
		switch {
		case !dialed[0].IsZero() && !dialed[1].IsZero(): // neither had heard of the other's
			p.crossed++
			for i, m := range p.members {
				m.Failed(now, id(2-i))
			}
			dialed = [2]time.Time{}
		case !dialed[0].IsZero() && now.Sub(dialed[0]) >= p.signal, !dialed[1].IsZero() && now.Sub(dialed[1]) >= p.signal:
			return d
		}
	}
	return 0
}
