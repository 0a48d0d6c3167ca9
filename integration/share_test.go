package integration

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The main job: one process shares, another gets by the bare CID, found
// through the overlay; then the getter is a source itself.
func TestTwoDaemonsShareAFile(t *testing.T) {
	w, a, b := pair(t)
	for _, size := range []int64{0, 11, 1 << 20, 1<<20 + 1, 20<<20 + 12345} {
		path := w.file("file", "two daemons", size)
		s := a.shares(path)
		if s.Size != size {
			t.Errorf("share says %d bytes of %d", s.Size, size)
		}
		var g got
		out := filepath.Join(w.dir, "out")
		b.do(&g, "get", s.Cid, "-o", out)
		w.sameFile(path, out)
		if g.Size != size || g.Cid != s.Cid {
			t.Errorf("get says %+v", g)
		}
		if size > 0 && (len(g.Peers) != 1 || g.Peers[0].ID != a.ID || g.Peers[0].Path != "direct") {
			t.Errorf("get names as its sources %+v, want %s", g.Peers, a.ID)
		}
		if err := os.Remove(out); err != nil {
			t.Fatal(err)
		}
	}
}

// What was fetched is shared onwards, by reference, without the first sharer.
func TestGetterBecomesProvider(t *testing.T) {
	w, a, b := pair(t)
	c := w.start("c", b.bootstrap()...)
	path := w.file("file", "onwards", 5<<20)
	s := a.shares(path)
	b.do(nil, "get", s.Cid, "-o", filepath.Join(w.dir, "at-b"))
	a.stop()
	var g got
	c.do(&g, "get", s.Cid, "-o", filepath.Join(w.dir, "at-c"))
	w.sameFile(path, filepath.Join(w.dir, "at-c"))
	if len(g.Peers) != 1 || g.Peers[0].ID != b.ID {
		t.Errorf("the bytes came from %+v, want %s", g.Peers, b.ID)
	}
}

func TestFolder(t *testing.T) {
	w, a, b := pair(t)
	root := filepath.Join(w.dir, "a folder with ümlauts")
	w.file("a folder with ümlauts/one.txt", "1", 3)
	w.file("a folder with ümlauts/deep/er/two.bin", "2", 3<<20)
	w.file("a folder with ümlauts/deep/empty.bin", "3", 0)
	w.file("a folder with ümlauts/same as one.txt", "1", 3)
	w.file("a folder with ümlauts/.hidden", "4", 10)
	if err := os.MkdirAll(filepath.Join(root, "nothing in here"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("deep/er/two.bin", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	s := a.shares(root)
	var g got
	out := filepath.Join(w.dir, "out")
	b.do(&g, "get", s.Link, "-o", out)
	w.sameTree(root, out)

	// Through the link's name, into the current folder of the command.
	r := w.run(b.repo, "ls", s.Cid)
	for _, name := range []string{"one.txt", "deep/er/two.bin", "link", "nothing in here"} {
		if !strings.Contains(r.stdout, name) {
			t.Errorf("ls of the folder does not show %q:\n%s%s", name, r.stdout, r.stderr)
		}
	}
}

// One file and one folder out of a shared folder; each is shared onwards under the
// CID that it has by itself.
func TestPartOfAFolder(t *testing.T) {
	w, a, b := pair(t)
	w.file("tree/sub folder/one", "one", 3<<20)
	w.file("tree/sub folder/two", "two", 100)
	w.file("tree/large", "large", 8<<20)
	s := a.shares(filepath.Join(w.dir, "tree"))
	for _, part := range []string{"sub folder", "sub folder/two", "sub folder/one"} {
		var alone struct{ Cid string }
		w.do(w.repo("none"), &alone, "cid", filepath.Join(w.dir, "tree", filepath.FromSlash(part)))
		var g got
		out := filepath.Join(w.dir, "out")
		b.do(&g, "get", s.Cid+"/"+part, "-o", out)
		w.sameTree(filepath.Join(w.dir, "tree", filepath.FromSlash(part)), out)
		if g.Cid != alone.Cid {
			t.Errorf("%s: the CID is %s, not %s", part, g.Cid, alone.Cid)
		}
		if r := w.run(b.repo, "--json", "ls"); !strings.Contains(r.stdout, alone.Cid) {
			t.Errorf("%s is not shared onwards: %s", part, r.stdout)
		}
		if err := os.RemoveAll(out); err != nil {
			t.Fatal(err)
		}
	}
	if r := w.run(b.repo, "cat", s.Cid+"/sub folder/two"); r.code != 0 || len(r.stdout) != 100 {
		t.Errorf("cat of a part: exit %d, %d bytes\n%s", r.code, len(r.stdout), r.stderr)
	}
	w.fails(3, []string{"nothing of that name"}, b.repo, "get", s.Cid+"/sub", "-o", filepath.Join(w.dir, "no"))
	w.fails(2, []string{"path"}, b.repo, "pin", "add", s.Cid+"/large")
}

// Who fetches one file of a folder, and who pins something, gives what it has of it
// at once: when the only provider of all is gone, others get it, with the nodes above.
func TestPartsAreServedAtOnce(t *testing.T) {
	for _, how := range []string{"part", "pin"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			a := w.start("a", "--limit-up", "1MiB")
			b := w.start("b", a.bootstrap()...)
			w.file("tree/first", "first", 5<<20)
			large := w.file("tree/sub/large", "large", 24<<20)
			s := a.shares(filepath.Join(w.dir, "tree"))
			out := filepath.Join(w.dir, "out")
			if how == "part" {
				w.background(b.repo, "get", s.Cid+"/sub/large", "-o", out)
			} else {
				s = a.shares(large)
				w.background(b.repo, "pin", "add", s.Cid)
			}
			var at struct{ Have, Chunks int }
			waitFor(t, "a part of it to arrive", func() bool {
				r := w.run(b.repo, "--json", "swarm", s.Cid)
				return r.code == 0 && json.Unmarshal([]byte(r.stdout), &at) == nil && at.Have >= 3
			})
			a.kill()
			if want := map[string]int{"part": 29, "pin": 24}[how]; at.Chunks != want {
				t.Errorf("%d chunks, of which %d are here; want %d", at.Chunks, at.Have, want)
			}
			c := w.start("c", b.bootstrap()...)
			ref := map[string]string{"part": s.Cid + "/sub/large", "pin": s.Cid}[how]
			w.background(c.repo, "get", ref, "-o", filepath.Join(w.dir, "again"))
			waitFor(t, "what b gives a stranger to come to c", func() bool {
				r := w.run(c.repo, "--json", "swarm", s.Cid)
				return r.code == 0 && json.Unmarshal([]byte(r.stdout), &at) == nil && at.Have >= 1
			})
		})
	}
}

// Two words are enough: no daemon on either side, only share and get.
func TestWithoutDaemons(t *testing.T) {
	unixOnly(t)
	w := newWorld(t)
	path := w.file("file", "no daemon", 3<<20)
	share := exec.Command(binary, append([]string{"--repo", w.repo("a"), "--json", "share", path}, w.flags()...)...)
	log := &logBuffer{}
	share.Stderr = log
	out, err := share.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := share.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	t.Cleanup(func() { _ = share.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("share printed nothing: %v\n%s", err, log)
	}
	go func() { ended <- share.Wait() }()
	var s shared
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		t.Fatalf("share printed %q: %v", line, err)
	}
	var g got
	w.do(w.repo("b"), &g, append([]string{"get", s.Link, "-o", filepath.Join(w.dir, "out")}, w.flags()...)...)
	w.sameFile(path, filepath.Join(w.dir, "out"))

	// A second command on the repo of the running share talks to it.
	var id struct{ ID string }
	w.do(w.repo("a"), &id, "id")
	if len(g.Peers) != 1 || g.Peers[0].ID != id.ID {
		t.Errorf("the bytes came from %+v, want %s", g.Peers, id.ID)
	}
	if err := share.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("share did not end after Ctrl-C\n%s", log)
	}
}

// A share survives the daemon that made it.
func TestSharesSurviveARestart(t *testing.T) {
	w := newWorld(t)
	a := w.start("a")
	path := w.file("file", "restart", 2<<20)
	s := a.shares(path)
	id := a.ID
	a.kill()
	a = w.start("a")
	if a.ID != id {
		t.Errorf("the identity changed from %s to %s", id, a.ID)
	}
	b := w.start("b", a.bootstrap()...)
	b.do(nil, "get", s.Cid, "-o", filepath.Join(w.dir, "out"))
	w.sameFile(path, filepath.Join(w.dir, "out"))
	b.do(nil, "rm", s.Cid)
	r := w.run(a.repo, "--json", "ls")
	if !strings.Contains(r.stdout, s.Cid) {
		t.Errorf("ls after the restart: %q", r.stdout)
	}
	a.do(nil, "rm", s.Cid)
	if r := w.run(a.repo, "--json", "ls"); strings.Contains(r.stdout, s.Cid) {
		t.Errorf("ls after rm: %q", r.stdout)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("rm touched the user's file: %v", err)
	}
	w.fails(3, []string{"provider"}, w.start("c", a.bootstrap()...).repo, "get", s.Cid, "-o", filepath.Join(w.dir, "x"), "--wait", "1s")
}

func TestCat(t *testing.T) {
	w, a, b := pair(t)
	path := w.file("file", "cat", 3<<20+17)
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := a.shares(path)
	for _, c := range []struct {
		args     []string
		from, to int
	}{
		{nil, 0, len(want)},
		{[]string{"--offset", "1048570", "--length", "20"}, 1048570, 1048590},
		{[]string{"--offset", "3145728"}, 3145728, len(want)},
		{[]string{"--length", "0"}, 0, 0},
		{[]string{"--offset", "99999999"}, 0, 0},
	} {
		r := w.run(b.repo, append([]string{"cat", s.Cid}, c.args...)...)
		if r.code != 0 || r.stdout != string(want[c.from:c.to]) {
			t.Errorf("cat %v: exit %d, %d bytes, want %d\n%s", c.args, r.code, len(r.stdout), c.to-c.from, r.stderr)
		}
	}
}
