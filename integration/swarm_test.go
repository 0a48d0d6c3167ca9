package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Three providers serve one get, each a part of it.
func TestThreeProviders(t *testing.T) {
	w := newWorld(t)
	limit := []string{"--limit-up", "8MiB"}
	a := w.start("a", limit...)
	b := w.start("b", append(limit, a.bootstrap()...)...)
	c := w.start("c", append(limit, a.bootstrap()...)...)
	d := w.start("d", a.bootstrap()...)
	path := w.file("file", "three", 48<<20)
	var s shared
	for _, p := range []*daemon{a, b, c} {
		p.do(&s, "share", path)
	}
	var g got
	d.do(&g, "get", s.Cid, "-o", filepath.Join(w.dir, "out"))
	w.sameFile(path, filepath.Join(w.dir, "out"))
	if len(g.Peers) != 3 {
		t.Errorf("%d providers served, want 3: %+v", len(g.Peers), g.Peers)
	}
	var total int64
	for _, p := range g.Peers {
		total += p.Bytes
		if p.Bytes < 4<<20 {
			t.Errorf("%s gave only %d bytes of 48 MiB", p.ID, p.Bytes)
		}
	}
	if total < 48<<20 || total > 50<<20 {
		t.Errorf("the peers gave %d bytes for 48 MiB", total)
	}
}

// A provider that is killed midway costs time, not data.
func TestProviderKilledMidway(t *testing.T) {
	w := newWorld(t)
	limit := []string{"--limit-up", "4MiB"}
	a := w.start("a", limit...)
	b := w.start("b", append(limit, a.bootstrap()...)...)
	c := w.start("c", b.bootstrap()...)
	path := w.file("file", "killed midway", 24<<20)
	s := a.shares(path)
	b.do(&s, "share", path)
	out := filepath.Join(w.dir, "out")
	get, log := w.background(c.repo, "get", s.Cid, "-o", out)
	waitFor(t, "8 MiB to arrive", func() bool { return written(out+".part") >= 8<<20 })
	a.kill()
	if err := get.Wait(); err != nil {
		t.Fatalf("get: %v\n%s", err, log)
	}
	w.sameFile(path, out)
}

// background starts a command against a repo and returns at once.
func (w *world) background(repo string, args ...string) (*exec.Cmd, *logBuffer) {
	w.t.Helper()
	cmd := exec.Command(binary, append([]string{"--repo", repo, "--json"}, args...)...)
	log := &logBuffer{}
	cmd.Stdout, cmd.Stderr = io.Discard, log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, log
}

// waitFor polls until the condition holds, for a minute at most.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// The getter is killed twenty times at random moments; what was synced is
// never fetched again, and in the end the bytes are right.
func TestGetterKilledTwentyTimes(t *testing.T) {
	unixOnly(t)
	seed := rand.Uint64()
	if s := os.Getenv("RINGSWAP_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("RINGSWAP_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t)
	a := w.start("a", "--limit-up", "24MiB")
	path := w.file("file", "twenty", 64<<20)
	s := a.shares(path)
	out := filepath.Join(w.dir, "out")
	args := append([]string{"get", s.Cid, "-o", out}, w.flags(a.bootstrap()...)...)
	for i := range 20 {
		get, log := w.background(w.repo("b"), args...)
		ended := make(chan error, 1)
		go func() { ended <- get.Wait() }()
		select {
		case <-time.After(time.Duration(rng.IntN(400)) * time.Millisecond): // the random moment
			_ = get.Process.Kill()
			<-ended
		case err := <-ended:
			if err != nil {
				t.Fatalf("get %d ended by itself: %v\n%s", i, err, log)
			}
			if err := os.Remove(out); err != nil { // done early: begin again
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(out); err == nil {
			w.sameFile(path, out) // killed after the rename: it must be whole
			if err := os.Remove(out); err != nil {
				t.Fatal(err)
			}
		}
	}
	var g got
	w.do(w.repo("b"), &g, args...)
	w.sameFile(path, out)
	t.Logf("the last get resumed %d of %d bytes", g.Resumed, g.Size)
	if left, _ := filepath.Glob(out + ".part*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Ctrl-C says that the transfer can be resumed, and it can.
func TestInterruptedGetResumes(t *testing.T) {
	unixOnly(t)
	w := newWorld(t)
	a := w.start("a", "--limit-up", "8MiB")
	b := w.start("b", a.bootstrap()...)
	path := w.file("file", "interrupted", 32<<20)
	s := a.shares(path)
	out := filepath.Join(w.dir, "out")
	get, log := w.background(b.repo, "get", s.Cid, "-o", out)
	waitFor(t, "12 MiB to arrive", func() bool { return written(out+".part") >= 12<<20 })
	if err := get.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = get.Wait()
	if code := get.ProcessState.ExitCode(); code != 130 {
		t.Errorf("interrupted get: exit %d, want 130\n%s", code, log)
	}
	var g got
	b.do(&g, "get", s.Cid, "-o", out)
	w.sameFile(path, out)
	var fetched int64
	for _, p := range g.Peers {
		fetched += p.Bytes
	}
	if g.Resumed < 8<<20 || fetched > 24<<20+1<<20 {
		t.Errorf("resumed %d bytes and fetched %d of %d", g.Resumed, fetched, g.Size)
	}
}

// Thirty nodes on loopback; each provides a file and finds those of all others.
func TestThirtyNodes(t *testing.T) {
	w := newWorld(t)
	const n = 30
	nodes := make([]*daemon, n)
	cids := make([]string, n)
	for i := range nodes {
		var via []string
		if i > 0 {
			via = nodes[rand.IntN(i)].bootstrap()
		}
		nodes[i] = w.start(fmt.Sprintf("n%d", i), via...)
	}
	for i, d := range nodes {
		path := w.file(fmt.Sprintf("file%d", i), fmt.Sprint("thirty ", i), 100+int64(i))
		s := d.shares(path)
		cids[i] = s.Cid
	}
	for i, d := range nodes {
		j := (i + 1 + rand.IntN(n-1)) % n
		out := filepath.Join(w.dir, fmt.Sprintf("out%d", i))
		d.do(nil, "get", cids[j], "-o", out)
		w.sameFile(filepath.Join(w.dir, fmt.Sprintf("file%d", j)), out)
	}
	for i, d := range nodes {
		for k := range 3 {
			j := (i + 7*k + 3) % n
			if providers := d.providers(cids[j]); !providers[nodes[j].ID] {
				t.Errorf("node %d does not find node %d as a provider: %v", i, j, providers)
			}
		}
	}
}

func (d *daemon) providers(cid string) map[string]bool {
	d.w.t.Helper()
	r := d.w.run(d.repo, "--json", "providers", cid)
	found := make(map[string]bool)
	for line := range strings.Lines(r.stdout) {
		var p struct{ ID string }
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			d.w.t.Fatalf("providers printed %q: %v", line, err)
		}
		found[p.ID] = true
	}
	return found
}
