package integration

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// transfer is an object that `peer transfers` prints.
type transfer struct {
	Cid, Name, Path, State, Why string
	Done, Size, Sent            int64
	Ratio                       float64
	LimitUp                     int64 `json:"limit_up"`
	LimitDown                   int64 `json:"limit_down"`
	Queued                      bool
}

// transfers lists what the daemon fetches and gives, by CID.
func (d *daemon) transfers() map[string]transfer {
	d.w.t.Helper()
	r := d.w.run(d.repo, "--json", "transfers")
	found := make(map[string]transfer)
	for line := range strings.Lines(r.stdout) {
		var x transfer
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			d.w.t.Fatalf("transfers printed %q: %v", line, err)
		}
		found[x.Cid] = x
	}
	return found
}

// becomes waits until a transfer is in a state.
func (d *daemon) becomes(cid, state string) {
	d.w.t.Helper()
	var last transfer
	waitFor(d.w.t, cid+" to be "+state+" at "+d.name, func() bool {
		last = d.transfers()[cid]
		return last.State == state
	})
}

// A transfer that runs is limited, paused, resumed, and let go, by other commands.
func TestSteeringATransfer(t *testing.T) {
	w, a, b := pair(t)
	path := w.file("file", "steered", 48<<20)
	s := a.shares(path)
	out := filepath.Join(w.dir, "out")
	get, log := w.background(b.repo, "get", s.Cid, "-o", out, "--limit", "2MiB")
	waitFor(t, "4 MiB to arrive", func() bool { return written(out+".part") >= 4<<20 })
	var x transfer
	b.do(&x, "limit", s.Cid, "--down", "1MiB")
	if x.LimitDown != 1<<20 || x.State != "fetching" {
		t.Errorf("limited: %+v", x)
	}
	b.watches(s.Cid, a.ID)
	b.do(&x, "pause", s.Cid)
	if x.State != "paused" {
		t.Errorf("paused: %+v", x)
	}
	waitFor(t, "the pause to be shown", func() bool { return strings.Contains(log.String(), "peer resume "+s.Cid) })
	before := written(out + ".part")
	if x = b.transfers()[s.Cid]; x.Done < 4<<20 || x.Size != 48<<20 {
		t.Errorf("what came before the pause is not shown: %+v", x)
	}
	if x.LimitDown != 1<<20 {
		t.Errorf("the limit that was set is gone: %+v", x)
	}
	if b.transfers()[s.Cid].State != "paused" {
		t.Errorf("a paused transfer is %+v", b.transfers()[s.Cid])
	}
	b.do(nil, "limit", s.Cid, "--down", "0")
	if after := written(out + ".part"); after > before+2<<20 {
		t.Errorf("%d bytes came while it was paused", after-before)
	}
	b.do(nil, "resume", s.Cid)
	if err := get.Wait(); err != nil {
		t.Fatalf("get: %v\n%s", err, log)
	}
	w.sameFile(path, out)
	b.becomes(s.Cid, "seeding")
	if x = b.transfers()[s.Cid]; x.LimitDown != 0 {
		t.Errorf("limits for the way here are still set: %+v", x)
	}
	w.fails(3, []string{"nothing to cancel"}, b.repo, "cancel", s.Cid)
	w.fails(3, []string{"neither fetched nor shared", "peer transfers"}, b.repo, "pause", nobodysCid)
}

// A transfer that is cancelled ends its command, which says how to go on, and a
// later one does.
func TestCancel(t *testing.T) {
	w := newWorld(t)
	a := w.start("a", "--limit-up", "512KiB")
	b := w.start("b", a.bootstrap()...)
	path := w.file("file", "cancelled", 16<<20)
	s := a.shares(path)
	out := filepath.Join(w.dir, "out")
	get, log := w.background(b.repo, "get", s.Cid, "-o", out)
	waitFor(t, "2 MiB to arrive", func() bool { return written(out+".part") >= 2<<20 })
	b.do(nil, "cancel", s.Cid)
	_ = get.Wait()
	if code := get.ProcessState.ExitCode(); code != 130 || !strings.Contains(log.String(), "peer cancel") || !strings.Contains(log.String(), "goes on where it was") {
		t.Errorf("exit %d\n%s", code, log)
	}
	if _, ok := b.transfers()[s.Cid]; ok {
		t.Error("it is still there")
	}
	a.do(nil, "limit", "--up", "0")
	var g got
	b.do(&g, "get", s.Cid, "-o", out)
	w.sameFile(path, out)
	if g.Resumed < 1<<20 {
		t.Errorf("it resumed %d bytes", g.Resumed)
	}
}

// A node that serves nobody is told why it waits.
func TestFreeRiderIsTold(t *testing.T) {
	w := newWorld(t)
	a := w.start("a", "--limit-up", "256KiB")
	giver := w.start("giver", a.bootstrap()...)
	taker := w.start("taker", append(a.bootstrap(), "--limit-up", "none")...)
	path := w.file("file", "free rider", 24<<20)
	s := a.shares(path)
	_, _ = w.background(giver.repo, "get", s.Cid, "-o", filepath.Join(w.dir, "given"))
	_, log := w.background(taker.repo, "get", s.Cid, "-o", filepath.Join(w.dir, "taken"))
	waitFor(t, "the taker to be told", func() bool { return strings.Contains(log.String(), "serves nobody; to change that: peer limit --up 0") })
}

// watches checks what is shown of a swarm in which one peer gives all.
func (d *daemon) watches(cid, giver string) {
	d.w.t.Helper()
	var sw struct {
		State        string
		Chunks, Have int
		Peers        []struct {
			ID, State string
			Received  int64
			Chunks    int
		}
		Map []struct{ First, Chunks, Have, Coming, Peers int }
	}
	d.do(&sw, "swarm", cid)
	if len(sw.Peers) != 1 || sw.Peers[0].ID != giver || sw.Peers[0].State != "connected" || sw.Peers[0].Received < 4<<20 || sw.Peers[0].Chunks != sw.Chunks {
		d.w.t.Errorf("the peers of the swarm: %+v", sw.Peers)
	}
	at, have := 0, 0
	for _, c := range sw.Map {
		if c.First != at || c.Chunks < 1 || c.Have > c.Chunks || c.Have < c.Chunks && c.Peers != 1 {
			d.w.t.Errorf("a cell of the map: %+v", c)
		}
		at, have = at+c.Chunks, have+c.Have
	}
	if sw.State != "fetching" || sw.Chunks != 48 || at != 48 || have != sw.Have || have < 3 || have == 48 {
		d.w.t.Errorf("the map has %d of %d chunks; the swarm %+v", have, at, sw)
	}
}

// The queue runs some at a time, goes on over a restart of the daemon, and what
// nobody has waits without keeping others from their turn.
func TestQueue(t *testing.T) {
	w := newWorld(t)
	a := w.start("a", "--limit-up", "256KiB") // slow until what is to be seen was seen
	b := w.start("b", a.bootstrap()...)
	b.do(nil, "limit", "--at-once", "1")
	var files [2]string
	var s [2]shared
	for i := range s {
		files[i] = w.file("file"+string(rune('0'+i)), "queue "+string(rune('0'+i)), 12<<20)
		a.do(&s[i], "share", files[i])
	}
	out := func(i int) string { return filepath.Join(w.dir, "out"+string(rune('0'+i))) }
	var x transfer
	b.do(&x, "get", nobodysCid, "-o", filepath.Join(w.dir, "none"), "--queue", "--wait", "1s")
	for i := range s {
		b.do(&x, "get", s[i].Cid, "-o", out(i), "--queue")
		if !x.Queued || x.Cid != s[i].Cid || x.State == "" {
			t.Errorf("queued: %+v", x)
		}
	}
	b.do(nil, "get", s[1].Cid, "-o", out(1), "--queue") // again: that changes nothing
	b.becomes(nobodysCid, "waiting")
	waitFor(t, "a chunk to arrive", func() bool { return written(out(0)+".part") >= 1<<20 })
	if second := b.transfers()[s[1].Cid]; second.State != "queued" {
		t.Errorf("the second is %+v while the first is fetched", second)
	}
	b.do(nil, "pause", s[1].Cid)
	b.do(nil, "pause", s[0].Cid)
	before := b.transfers()[s[0].Cid]
	b.stop()
	a.do(nil, "limit", "--up", "0")
	b = w.start("b", a.bootstrap()...)
	if after := b.transfers()[s[0].Cid]; after.State != "paused" || after.Done < max(before.Done, 1) || after.Size != 12<<20 {
		t.Errorf("what was paused is %+v after the restart, was %+v", after, before)
	}
	b.do(nil, "resume", s[0].Cid)
	waitFor(t, "the first to be there", func() bool { return written(out(0)) == 12<<20 })
	w.sameFile(files[0], out(0))
	b.becomes(s[0].Cid, "seeding")
	if second := b.transfers()[s[1].Cid]; second.State != "paused" || !second.Queued {
		t.Errorf("the second is %+v, was paused before the restart", second)
	}
	b.do(nil, "resume", s[1].Cid)
	b.becomes(s[1].Cid, "seeding")
	w.sameFile(files[1], out(1))
	if x := b.transfers()[nobodysCid]; !strings.Contains(x.Why, "no provider") {
		t.Errorf("what nobody has: %+v", x)
	}
	b.do(nil, "cancel", nobodysCid)
	if _, ok := b.transfers()[nobodysCid]; ok {
		t.Error("what was cancelled is still there")
	}
}

// Limits hold for what runs, and for the next run of the daemon.
func TestLimitsSurviveARestart(t *testing.T) {
	w, a, b := pair(t)
	path := w.file("file", "limits", 8<<20)
	s := a.shares(path)
	a.do(nil, "limit", "--up", "none", "--down", "3MB")
	a.stop()
	a = w.start("a", b.bootstrap()...)
	var set struct {
		Up   int64 `json:"limit_up"`
		Down int64 `json:"limit_down"`
	}
	if a.do(&set, "limit"); set.Up != -1 || set.Down != 3e6 {
		t.Errorf("after the restart: %+v", set)
	}
	out := filepath.Join(w.dir, "out")
	w.fails(3, []string{"no provider"}, b.repo, "get", s.Cid, "-o", out, "--wait", "1s")
	a.do(nil, "limit", "--up", "4MiB")
	begin := time.Now()
	b.do(nil, "get", s.Cid, "-o", out)
	if took := time.Since(begin); took < time.Second {
		t.Errorf("8 MiB at 4 MiB/s took %v", took)
	}
	w.sameFile(path, out)
	w.fails(2, []string{"not a rate", "try"}, a.repo, "limit", "--up", "fast")
	w.fails(2, []string{"not for one CID"}, a.repo, "limit", s.Cid, "--at-once", "2")
}

// What was fetched is given onwards until the goal is reached, and then rests, over
// a restart, until it is woken.
func TestSeedingGoal(t *testing.T) {
	w, a, b := pair(t)
	path := w.file("file", "goal", 4<<20)
	s := a.shares(path)
	b.do(nil, "goal", "--ratio", "0.5")
	b.do(nil, "get", s.Cid, "-o", filepath.Join(w.dir, "at b"))
	a.stop()
	c := w.start("c", b.bootstrap()...)
	c.do(nil, "get", s.Cid, "-o", filepath.Join(w.dir, "at c"))
	b.becomes(s.Cid, "resting")
	if x := b.transfers()[s.Cid]; x.Sent < 2<<20 || x.Ratio < 0.5 {
		t.Errorf("it rests after %+v", x)
	}
	c.stop()
	b.stop()
	b = w.start("b")
	d := w.start("d", b.bootstrap()...)
	if x := b.transfers()[s.Cid]; x.State != "resting" || x.Sent < 2<<20 {
		t.Errorf("after the restart: %+v", x)
	}
	out := filepath.Join(w.dir, "at d")
	w.fails(3, []string{"no provider"}, d.repo, "get", s.Cid, "-o", out, "--wait", "1s")
	b.do(nil, "resume", s.Cid)
	d.do(nil, "get", s.Cid, "-o", out)
	w.sameFile(path, out)
	b.becomes(s.Cid, "seeding")
}
