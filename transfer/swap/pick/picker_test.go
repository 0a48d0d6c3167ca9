package pick

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ringswap/transfer/swap/bitset"

	"github.com/libp2p/go-libp2p/core/peer"
)

func sizesOf(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

const mb = 1 << 20

func TestPickerFillsThePipe(t *testing.T) {
	for _, tc := range []struct {
		rate  float64
		delay time.Duration
		want  float64 // of the ideal time, at most
	}{
		{500 * mb, 50 * time.Microsecond, 1.05},
		{100 * mb, 5 * time.Millisecond, 1.25},
		{20 * mb, 50 * time.Millisecond, 1.1},
		{1 * mb, 100 * time.Millisecond, 1.1},
		{20_000, 100 * time.Millisecond, 1.1},
	} {
		n := max(int(tc.rate*8)/mb, 1)
		s := newSim(t, 1, 16*mb)
		s.fetch(sizesOf(n, mb), Rarest, false)
		s.join(&simPeer{id: "a", rate: tc.rate, delay: tc.delay})
		ideal := time.Duration(float64(n*mb)/tc.rate*1e9) + 4*tc.delay
		took := s.run(time.Hour)
		t.Logf("%.0f B/s, %v: %v of %v", tc.rate, tc.delay, took, ideal)
		if r := took.Seconds() / ideal.Seconds(); r > tc.want {
			t.Errorf("%.0f B/s, %v: %.3f of the ideal time", tc.rate, tc.delay, r)
		}
		if s.asked != n*mb {
			t.Errorf("asked for %d bytes too many", s.asked-n*mb)
		}
	}
}

func TestPickerAddsUpProviders(t *testing.T) {
	s := newSim(t, 1, 16*mb)
	s.fetch(sizesOf(400, mb), Rarest, false)
	sum := 0.0
	for i, rate := range []float64{20 * mb, 20 * mb, 10 * mb, 2 * mb, 100_000} {
		s.join(&simPeer{id: peer.ID(rune('a' + i)), rate: rate, delay: 20 * time.Millisecond})
		sum += rate
	}
	took, ideal := s.run(time.Hour).Seconds(), 400*mb/sum
	t.Logf("%.2f s, ideal %.2f; %.2f %% asked twice", took, ideal, 100*float64(s.asked-400*mb)/(400*mb))
	if took > 1.08*ideal {
		t.Errorf("%.2f s, ideal %.2f", took, ideal)
	}
	if s.asked > 400*mb*103/100 {
		t.Errorf("asked for %.1f %% twice", 100*float64(s.asked-400*mb)/(400*mb))
	}
}

func TestPickerSequentialKeepsOrder(t *testing.T) {
	s := newSim(t, 1, 8*mb)
	j := s.fetch(sizesOf(100, mb), Sequential, false)
	s.join(&simPeer{id: "a", rate: 10 * mb, delay: 10 * time.Millisecond})
	s.join(&simPeer{id: "b", rate: 1 * mb, delay: 30 * time.Millisecond})
	s.join(&simPeer{id: "drip", rate: 1, delay: 5 * time.Millisecond})
	took := s.run(time.Hour)
	if !slices.IsSorted(j.done) {
		t.Errorf("order %v", j.done)
	}
	if took > 13*time.Second {
		t.Errorf("took %v, the two good peers need 9 s", took)
	}
}

func TestPickerRarestFirst(t *testing.T) {
	// Chunk 7 is at the seed alone, the others also at nine more peers: it must
	// be the first that is asked of the seed.
	s := newSim(t, 3, 32*mb)
	s.fetch(sizesOf(64, mb), Rarest, false)
	var common []int
	for i := range 64 {
		if i != 7 {
			common = append(common, i)
		}
	}
	for i := range 9 {
		s.join(&simPeer{id: peer.ID(rune('a' + i)), rate: mb, delay: time.Millisecond, have: common})
	}
	s.join(&simPeer{id: "seed", rate: mb, delay: 2 * time.Millisecond})
	s.run(time.Minute)
	if first := s.first["seed"]; first.Index != 7 {
		t.Errorf("chunk %d was asked first of the seed", first.Index)
	}
}

// TestPickerBeginsAtRandom has fetches that begin at the same peers: the first
// chunks that they ask for differ, also from the rarest ones.
func TestPickerBeginsAtRandom(t *testing.T) {
	begun := make(map[int]int)
	for seed := range uint64(200) {
		s := newSim(t, seed, 32*mb)
		s.fetch(sizesOf(64, mb), Rarest, false)
		var most []int
		for i := range 60 {
			most = append(most, i)
		}
		s.join(&simPeer{id: "some", rate: mb, delay: time.Millisecond, have: most})
		s.join(&simPeer{id: "all", rate: mb, delay: 2 * time.Millisecond, have: append(most, 60, 61, 62, 63)})
		s.run(5 * time.Minute)
		begun[s.first["all"].Index]++
	}
	rarest := begun[60] + begun[61] + begun[62] + begun[63]
	if len(begun) < 55 || rarest > 40 {
		t.Errorf("%d chunks were the first of some fetch, of 200 fetches %d began with the rarest", len(begun), rarest)
	}
}

// TestPickerEndGameWastesLittle ends with peers of very different speed. None is
// waited for, and little comes twice for that.
func TestPickerEndGameWastesLittle(t *testing.T) {
	const chunks = 64
	var twice, slowest float64
	const seeds = 20
	for seed := range uint64(seeds) {
		s := newSim(t, seed, 16*mb)
		s.fetch(sizesOf(chunks, mb), Rarest, false)
		sum := 0.0
		for i, rate := range []float64{8 * mb, 4 * mb, 4 * mb, mb, mb / 2, 60_000} {
			s.join(&simPeer{id: peer.ID(rune('a' + i)), rate: rate, delay: time.Duration(10+5*i) * time.Millisecond})
			sum += rate
		}
		slowest = max(slowest, s.run(time.Minute).Seconds()/(chunks*mb/sum))
		sent := 0
		for _, p := range s.peers {
			sent += p.sent
		}
		twice += float64(sent-chunks*mb) / (chunks * mb) / seeds
	}
	t.Logf("%.2f %% sent twice; the slowest run took %.2f of the ideal time", 100*twice, slowest)
	if twice > 0.01 {
		t.Errorf("%.2f %% of the bytes were sent twice", 100*twice)
	}
	if slowest > 1.2 {
		t.Errorf("a run took %.2f of the ideal time", slowest)
	}
}

func TestPickerDripAndMuteAreOvertaken(t *testing.T) {
	for seed := range uint64(20) {
		s := newSim(t, seed, 16*mb)
		s.fetch(sizesOf(50, mb), Rarest, false)
		s.join(&simPeer{id: "drip", rate: 1, delay: time.Millisecond})
		s.join(&simPeer{id: "mute", rate: 10 * mb, mute: 3 * mb, delay: 3 * time.Millisecond})
		s.join(&simPeer{id: "deaf", rate: 1000, deaf: true, delay: time.Millisecond})
		s.join(&simPeer{id: "good", rate: 10 * mb, delay: 40 * time.Millisecond})
		if took := s.run(time.Minute); took > 8*time.Second {
			t.Errorf("seed %d: %v, the good peer alone needs 5 s", seed, took)
		}
	}
}

// TestPickerDoesNotWaitForThoseWhoChoke has many peers that take requests and say
// that they want something for an answer. They hold nothing up and cost nothing.
func TestPickerDoesNotWaitForThoseWhoChoke(t *testing.T) {
	for seed := range uint64(20) {
		s := newSim(t, seed, 16*mb)
		for i := range 40 {
			s.join(&simPeer{id: peer.ID(fmt.Sprint("stingy", i)), rate: mb, delay: time.Millisecond, chokes: time.Hour})
		}
		s.fetch(sizesOf(50, mb), Rarest, false)
		s.join(&simPeer{id: "good", rate: 10 * mb, delay: 40 * time.Millisecond})
		if took := s.run(time.Minute); took > 6*time.Second {
			t.Errorf("seed %d: %v, the good peer alone needs 5 s", seed, took)
		}
	}
}

// TestPickerComesBackToThoseWhoChoked has one peer with everything that serves now
// and then: all of what it serves is used, and nothing comes twice.
func TestPickerComesBackToThoseWhoChoked(t *testing.T) {
	for _, chokes := range []time.Duration{500 * time.Millisecond, 5 * time.Second, 15 * time.Second} {
		s := newSim(t, 1, 16*mb)
		s.fetch(sizesOf(20, mb), Rarest, false)
		s.join(&simPeer{id: "a", rate: mb, delay: 10 * time.Millisecond, chokes: chokes})
		if took := s.run(2 * time.Minute); took > 40*time.Second+2*chokes {
			t.Errorf("chokes for %v: %v, and it serves half of the time, which needs 20 s", chokes, took)
		}
		if s.asked > 24*mb {
			t.Errorf("chokes for %v: %d bytes asked for", chokes, s.asked)
		}
	}
}

// TestPickerMutePeersTakeTurns has several peers that never answer. None may take
// over what another of them holds for as long as there is one that answers.
func TestPickerMutePeersTakeTurns(t *testing.T) {
	for seed := range uint64(20) {
		s := newSim(t, seed, 16*mb)
		s.fetch(sizesOf(40, mb), Rarest, false)
		for i := range 4 {
			s.join(&simPeer{id: peer.ID(fmt.Sprint("mute", i)), rate: mb, mute: -1, delay: 10 * time.Millisecond})
		}
		for i := range 5 {
			s.join(&simPeer{id: peer.ID(fmt.Sprint("good", i)), rate: mb, delay: 10 * time.Millisecond})
		}
		if took := s.run(5 * time.Minute); took > 11*time.Second {
			t.Errorf("seed %d: %v, the good peers need 8 s", seed, took)
		}
	}
}

func TestPickerKeepsWhatCameFromThoseWhoLeft(t *testing.T) {
	s := newSim(t, 1, 16*mb)
	s.fetch(sizesOf(20, mb), Rarest, false)
	s.join(&simPeer{id: "a", rate: mb, delay: time.Millisecond, leaves: 10 * time.Second})
	s.at(20*time.Second, func() { s.join(&simPeer{id: "b", rate: mb, delay: time.Millisecond}) })
	took := s.run(time.Minute)
	if took > 31*time.Second {
		t.Errorf("took %v; 10 s of one peer and 10 s of the other are enough", took)
	}
	if over := s.asked - 20*mb; over > 2*mb {
		t.Errorf("asked for %d bytes twice", over)
	}
}

func TestPickerStarvesAndComesBack(t *testing.T) {
	s := newSim(t, 1, 16*mb)
	s.fetch(sizesOf(4, mb), Rarest, false)
	if !s.k.Starved() {
		t.Error("not starved without peers")
	}
	s.join(&simPeer{id: "a", rate: mb, delay: time.Millisecond, have: []int{0}})
	s.at(10*time.Second, func() {
		if !s.k.Starved() {
			t.Error("not starved though nobody has the rest")
		}
		s.join(&simPeer{id: "b", rate: mb, delay: time.Millisecond})
	})
	s.at(11*time.Second, func() {
		if s.k.Starved() {
			t.Error("starved though the rest is on its way")
		}
	})
	s.run(time.Minute)
}

func TestPickerFindsLiars(t *testing.T) {
	for seed := range uint64(50) {
		s := newSim(t, seed, 16*mb)
		s.fetch(sizesOf(60, mb), Rarest, false)
		s.join(&simPeer{id: "liar", rate: 300_000, delay: time.Millisecond, lies: 64 << 10})
		s.join(&simPeer{id: "seldom", rate: 5 * mb, delay: 2 * time.Millisecond, lies: 2 * mb})
		s.join(&simPeer{id: "good", rate: mb, delay: 3 * time.Millisecond})
		s.join(&simPeer{id: "slow", rate: 100_000, delay: 3 * time.Millisecond})
		s.run(10 * time.Minute)
		if s.banned["seldom"] == "" {
			t.Errorf("seed %d: a liar went on", seed)
		}
	}
}

// TestPickerCrowdsOfLiars has more liars than honest peers. Some lie always, some now
// and then, some leave before they are done and come back. All that are of the least
// consequence are found, and what they cost is bounded: each spoils what is under way
// when it is found, and no more.
func TestPickerCrowdsOfLiars(t *testing.T) {
	const chunks, honest, liars = 100, 4, 12
	var asked, worst float64
	const seeds = 30
	for seed := range uint64(seeds) {
		rng := rand.New(rand.NewPCG(seed, 21))
		s := newSim(t, seed, 16*mb)
		s.fetch(sizesOf(chunks, mb), Rarest, false)
		for i := range honest {
			s.join(&simPeer{id: peer.ID(fmt.Sprint("good", i)), rate: mb, delay: 20 * time.Millisecond})
		}
		for i := range liars {
			p := &simPeer{id: peer.ID(fmt.Sprint("liar", i)), rate: float64(mb + rng.IntN(4*mb)), delay: time.Duration(1+rng.IntN(40)) * time.Millisecond}
			p.lies = []int{1, 1 << 17, 1 << 20}[i%3]
			if i%2 == 0 {
				p.quits, p.returns = []float64{0.02, 0.2, 0.7}[i%3], time.Duration(500+rng.IntN(1000))*time.Millisecond
			}
			s.join(p)
		}
		took := s.run(10 * time.Minute)
		found := len(s.banned)
		asked += float64(s.asked) / (chunks * mb) / seeds
		worst = max(worst, took.Seconds())
		if found < liars*2/3 {
			t.Errorf("seed %d: %d of %d liars were found", seed, found, liars)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("asked for %.2f times the bytes; the slowest of %d runs took %.0f s, and the honest peers alone need %d", asked, seeds, worst, chunks/honest)
}

// TestPickerTwoHalves has a bad copy of which each of two peers gave a half. What the
// one gave is kept and it is asked for the other half, and for nothing else; whoever
// the liar is, it is found.
func TestPickerTwoHalves(t *testing.T) {
	const half = 256 << 10 // is asked at a time of who is not known yet
	for _, liar := range []peer.ID{"a", "b"} {
		now := time.Unix(1, 0)
		k := New(Config{Budget: 16 * mb, Stall: time.Minute, Rand: rand.New(rand.NewPCG(1, 1))})
		todo := bitset.New(1)
		todo.Add(0)
		k.AddJob([]int{2 * half}, todo, Rarest, true)
		k.AddPeer(now, "a", time.Millisecond)
		k.AddPeer(now, "b", time.Millisecond)
		k.SetState("a", true, bitset.New(0))
		k.SetState("b", true, bitset.New(0))
		gave := make(map[peer.ID]int) // bytes of the copy that is here
		// round answers what is asked for, and returns what was asked of whom once
		// the block is full.
		round := func() map[peer.ID]int {
			asked := make(map[peer.ID]int)
			for range 100 {
				acts, _ := k.Next(now, 1<<30)
				full := false
				for _, a := range acts {
					switch a.Kind {
					case Ban:
						if a.Peer != liar {
							t.Fatalf("%s is banned, and %s lies: %s", a.Peer, liar, a.Reason)
						}
						delete(gave, liar)
					case Discard:
						clear(gave)
					case Request:
						asked[a.Peer] += a.N
						gave[a.Peer] += a.N
						now = now.Add(time.Millisecond)
						k.Received(now, a.Peer, a.Req, a.N)
						_, full = k.Finished(now, a.Peer, a.Req)
					}
				}
				if full {
					return asked
				}
			}
			t.Fatal("the block is never full")
			return nil
		}
		if first := round(); first["a"] != half || first["b"] != half {
			t.Fatalf("the first copy: %v", first)
		}
		key := Key{Job: 1}
		k.Failed(key)
		second := round()
		if len(second) != 1 || second["a"]+second["b"] != half {
			t.Errorf("the second copy: asked for %v, want the other half of one peer", second)
		}
		if second[liar] > 0 {
			k.Failed(key)
			third := round()
			if len(third) != 1 || third[liar] > 0 {
				t.Errorf("the third copy: asked for %v", third)
			}
		}
		k.Settled(key)
		if acts, _ := k.Next(now, 1<<30); len(acts) > 0 || len(k.active) > 0 || k.trials != 0 {
			t.Errorf("after all: %v, %d blocks active, %d on trial", acts, len(k.active), k.trials)
		}
	}
}

// TestPickerTrialsOutlastAChoke has a block that only one honest peer can give, which
// lets this one wait for long, now and then: it is still asked.
func TestPickerTrialsOutlastAChoke(t *testing.T) {
	for seed := range uint64(10) {
		s := newSim(t, seed, 16*mb)
		s.fetch(sizesOf(8, mb), Rarest, false)
		s.join(&simPeer{id: "good", rate: mb / 4, delay: 10 * time.Millisecond, chokes: 12 * time.Second})
		s.join(&simPeer{id: "liar", rate: mb, delay: 10 * time.Millisecond, lies: 1})
		if took := s.run(10 * time.Minute); took > 3*time.Minute {
			t.Errorf("seed %d: %v, and it serves half of the time, which needs 64 s", seed, took)
		}
	}
}

// TestPickerSwarms runs random swarms of every kind of peer. It stands on
// check: whatever happens, the books are right, nobody honest is banned, and
// everything arrives as long as one good peer comes back.
func TestPickerSwarms(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		first := randomSwarm(t, seed)
		if seed%10 == 0 {
			if again := randomSwarm(t, seed); again != first {
				t.Fatalf("seed %d: two runs differ", seed)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func randomSwarm(t *testing.T, seed uint64) uint64 {
	defer func() {
		if r := recover(); r != nil {
			t.Logf("seed %d", seed)
			panic(r)
		}
	}()
	rng := rand.New(rand.NewPCG(seed, 3))
	s := newSim(t, seed, 4*mb+rng.IntN(16*mb))
	sizes := make([]int, 1+rng.IntN(60))
	total := 0
	for i := range sizes {
		sizes[i] = 1 + rng.IntN(2*mb)
		if rng.IntN(3) == 0 {
			sizes[i] = 1 + rng.IntN(5000)
		}
		total += sizes[i]
	}
	s.fetch(sizes, Order(rng.IntN(2)), false)
	for range rng.IntN(3) { // nodes beside the chunks, and fetches that are given up
		j := s.fetch(sizes[:1+rng.IntN(len(sizes))], Rarest, true)
		if rng.IntN(2) == 0 {
			s.at(time.Duration(rng.IntN(10_000))*time.Millisecond, func() { s.stop(j) })
		}
	}
	if rng.IntN(3) == 0 {
		j := s.fetch(sizes, Order(rng.IntN(2)), false)
		s.at(time.Duration(rng.IntN(20_000))*time.Millisecond, func() { s.stop(j) })
	}
	if rng.IntN(3) == 0 {
		s.allow = func(time.Time) int { return minRange + s.rng.IntN(mb) }
	}
	dur := func(n int) time.Duration { return time.Duration(rng.IntN(n)+1) * time.Millisecond }
	s.join(&simPeer{id: "good", rate: 500_000, delay: dur(300), leaves: dur(9000), returns: dur(9000)})
	for i := range rng.IntN(12) {
		p := &simPeer{id: peer.ID(fmt.Sprint("p", i)), rate: float64(1 + rng.IntN(1<<(4+rng.IntN(20)))), delay: dur(300)}
		switch rng.IntN(9) {
		case 7, 8:
			p.chokes = dur(8000)
		case 0:
			p.lies = 1 + rng.IntN(4*mb)
			if rng.IntN(2) == 0 {
				p.quits, p.returns = rng.Float64(), dur(2000)
			}
		case 1:
			p.mute, p.returns = 1+rng.IntN(total), dur(5000)
		case 2:
			p.refuses = rng.Float64()
		case 3:
			p.leaves, p.returns = dur(5000), dur(5000)
		case 4:
			for i := range sizes {
				if rng.IntN(2) == 0 {
					p.have = append(p.have, i)
				}
			}
			p.learn = dur(2000)
		case 5:
			p.deaf = true
		}
		if p.have == nil && rng.IntN(4) == 0 {
			p.have = []int{rng.IntN(len(sizes))}
		}
		s.join(p)
	}
	s.run(time.Hour)
	return s.trace
}

// FuzzPickerSwarm looks for a swarm that breaks the books.
func FuzzPickerSwarm(f *testing.F) {
	f.Add(uint64(1))
	f.Add(uint64(1 << 40))
	f.Fuzz(func(t *testing.T, seed uint64) { randomSwarm(t, seed) })
}

// TestPickerAsksForSmallBlocksTogether: once a peer has as many requests as it may
// have, further ones are made many at a time.
func TestPickerAsksForSmallBlocksTogether(t *testing.T) {
	now := time.Unix(1, 0)
	k := New(Config{Budget: 16 * mb, Stall: time.Minute, Rand: rand.New(rand.NewPCG(1, 1))})
	const blocks = 2000
	todo := bitset.New(blocks)
	for i := range blocks {
		todo.Add(i)
	}
	k.AddJob(sizesOf(blocks, 4096), todo, Rarest, true)
	k.AddPeer(now, "a", 200*time.Millisecond)
	k.SetState("a", true, bitset.New(0))
	var asked []Action // not answered yet
	rounds, most := 0, 0
	for done := 0; done < blocks; {
		acts, _ := k.Next(now, 1<<30)
		if len(acts) > 0 {
			rounds++
		}
		asked = append(asked, acts...)
		if most = max(most, len(asked)); len(asked) == 0 {
			t.Fatalf("nothing is asked after %d blocks", done)
		}
		if blocks-done > 2*maxRequests && most == maxRequests && len(asked) <= maxRequests-refill {
			t.Fatalf("only %d requests after %d blocks", len(asked), done)
		}
		a := asked[0]
		asked = asked[1:]
		now = now.Add(10 * time.Microsecond)
		k.Received(now, "a", a.Req, a.N)
		key, full := k.Finished(now, "a", a.Req)
		if !full {
			t.Fatalf("block %v is not full", a.Key)
		}
		k.Settled(key)
		done++
	}
	if most != maxRequests {
		t.Errorf("at most %d requests, want %d", most, maxRequests)
	}
	if want := (blocks-maxRequests)/refill + 64; rounds > want {
		t.Errorf("asked %d times, want %d at most", rounds, want)
	}
}
