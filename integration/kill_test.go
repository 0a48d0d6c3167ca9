package integration

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// kills is how many gets TestKilledGets kills; RINGSWAP_KILLS=100 is the figure
// of docs/bench.md.
const kills = 5

// Gets are killed at random moments and then run to their end. The bytes are
// right, and what was lost is little: by the provider's count of all that it sent,
// in flight or framing as it may be, no more than 2 % above the file.
func TestKilledGets(t *testing.T) {
	unixOnly(t)
	const size, rate = 128 << 20, 32 << 20
	rounds := number64(t, "RINGSWAP_KILLS", kills)
	seed := number64(t, "RINGSWAP_SEED", rand.Uint64())
	t.Logf("RINGSWAP_SEED=%d RINGSWAP_KILLS=%d", seed, rounds)
	rng := rand.New(rand.NewPCG(seed, 2))
	w := newWorld(t)
	a := w.start("a", "--limit-up", strconv.Itoa(rate))
	path := w.file("file", "killed", size)
	s := a.shares(path)
	out := filepath.Join(w.dir, "out")
	args := append([]string{"get", s.Link, "-o", out}, w.flags()...)
	var sent, most int64
	killed := uint64(0)
	for range rounds {
		before := a.sent()
		get, log := w.background(w.repo("b"), args...)
		ended := make(chan error, 1)
		go func() { ended <- get.Wait() }()
		moment := rng.Int64N(size)
		waitFor(t, "the random moment", func() bool { return a.sent()-before > moment || len(ended) > 0 })
		_ = get.Process.Kill()
		if err := <-ended; err != nil {
			killed++
		} else {
			t.Logf("ended before it could be killed\n%s", log)
		}
		w.do(w.repo("b"), nil, args...)
		w.sameFile(path, out)
		if left, _ := filepath.Glob(out + ".part*"); len(left) > 0 {
			t.Fatalf("left behind: %v", left)
		}
		for _, leave := range []string{out, w.repo("b")} { // else the next finds it here
			if err := os.RemoveAll(leave); err != nil {
				t.Fatal(err)
			}
		}
		again := a.sent() - before - size
		sent, most = sent+again, max(most, again)
	}
	share := float64(sent) / float64(rounds) / size
	t.Logf("%d gets killed: %.2f %% sent again, framing and lookups included; %.2f %% at most", killed, 100*share, 100*float64(most)/size)
	if killed < rounds/2 {
		t.Errorf("only %d of %d gets could be killed", killed, rounds)
	}
	if share > 0.02 {
		t.Errorf("%.2f %% of the file was fetched again", 100*share)
	}
}

// number64 is a number that the environment may set.
func number64(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sent is what the daemon has sent to all peers, by its own count.
func (d *daemon) sent() int64 {
	d.w.t.Helper()
	var status struct {
		Out int64 `json:"bytes_out"`
	}
	d.do(&status, "status")
	return status.Out
}
