package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"ringswap/internal/node"
)

// started is a command that runs, with a real node, as a process of its own.
type started struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr *safeBuffer
}

// start runs the program on a repo, with a node that only this machine reaches.
func start(t *testing.T, repo string, args ...string) *started {
	t.Helper()
	s := &started{t: t, stdout: newSafeBuffer(), stderr: newSafeBuffer()}
	s.cmd = process(t, append([]string{"--repo", repo}, args...)...)
	s.cmd.Env = append(s.cmd.Env, "PEER_NO_MDNS=true", "PEER_LISTEN=/ip4/127.0.0.1/tcp/0", "PEER_NETWORK=smoke")
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // most have ended by then
	return s
}

// end waits for the command and checks its exit code.
func (s *started) end(want int) *started {
	s.t.Helper()
	code := 0
	var exit *exec.ExitError
	if err := s.cmd.Wait(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		s.t.Fatal(err)
	}
	if code != want {
		s.t.Fatalf("%v: exit code %d, want %d\n--- stdout\n%s\n--- stderr\n%s", s.cmd.Args, code, want, s.stdout, s.stderr)
	}
	return s
}

func (s *started) interrupt() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
}

// result decodes the first object on stdout, as soon as it is there.
func result[T any](s *started) (v T) {
	s.t.Helper()
	s.stdout.await(s.t, "\n")
	if err := json.NewDecoder(strings.NewReader(s.stdout.String())).Decode(&v); err != nil {
		s.t.Fatalf("%v in %q, %s", err, s.stdout, s.stderr)
	}
	return v
}

func noInterruptHere(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted from outside on windows")
	}
}

func randomFile(t *testing.T, size int64) string {
	t.Helper()
	d := &demo{dir: t.TempDir(), size: size}
	if err := d.makeFiles(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(d.dir, demoFile)
}

// TestSmokeTwoCommands is the main job with neither daemon nor overlay: share
// in one process, get by the link in another.
func TestSmokeTwoCommands(t *testing.T) {
	noInterruptHere(t)
	file, out := randomFile(t, 5<<20+1), filepath.Join(t.TempDir(), "out.bin")
	repo := t.TempDir()
	sharing := start(t, repo, "share", "--json", file)
	sharing.stderr.await(t, "sharing until Ctrl-C")
	shared := result[node.Shared](sharing)

	// A second command uses the node of the first.
	status := result[node.Status](start(t, repo, "status", "--json").end(0))
	if status.Shares != 1 {
		t.Errorf("status: %+v", status)
	}
	start(t, repo, "run").end(exitFailed)

	got := result[node.Got](start(t, t.TempDir(), "get", shared.Link, "-o", out, "--json").end(0))
	if got.Cid != shared.Cid || got.Size != 5<<20+1 || len(got.Peers) != 1 {
		t.Errorf("got %+v of %+v", got, shared)
	}
	if err := sameTree(file, out); err != nil {
		t.Error(err)
	}
	cid := result[cidResult](start(t, t.TempDir(), "cid", out, "--json").end(0))
	if cid.Cid != shared.Cid {
		t.Errorf("cid says %s, share said %s", cid.Cid, shared.Cid)
	}
	part := start(t, t.TempDir(), "cat", shared.Link, "--offset", "1048570", "--length", "10").end(0)
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal([]byte(part.stdout.String()), want[1048570:1048580]) {
		t.Errorf("cat: %q, %v", part.stdout, err)
	}
	sharing.interrupt()
	sharing.end(0)
}

func TestSmokeInterruptedGetGoesOn(t *testing.T) {
	noInterruptHere(t)
	file, out := randomFile(t, 12<<20), filepath.Join(t.TempDir(), "out.bin")
	sharing := start(t, t.TempDir(), "share", "--json", file)
	sharing.stderr.await(t, "sharing until Ctrl-C")
	link := result[node.Shared](sharing).Link

	repo := t.TempDir()
	get := start(t, repo, "get", link, "-o", out, "--limit", "4MB", "--json")
	get.stderr.await(t, "%, ")
	get.interrupt()
	get.end(exitInterrupted)
	var failed struct{ Error node.Error }
	if failed = result[struct{ Error node.Error }](get); failed.Error.Kind != node.KindInterrupted {
		t.Errorf("it says %+v", failed)
	}
	got := result[node.Got](start(t, repo, "get", link, "-o", out, "--json").end(0))
	if got.Resumed == 0 {
		t.Errorf("nothing was resumed: %+v", got)
	}
	if err := sameTree(file, out); err != nil {
		t.Error(err)
	}
	sharing.interrupt()
	sharing.end(0)
}

// TestSmokeDaemon: signals end a daemon well; one that was killed leaves
// nothing behind that stops the next.
func TestSmokeDaemon(t *testing.T) {
	noInterruptHere(t)
	repo := t.TempDir()
	for _, end := range []os.Signal{os.Kill, syscall.SIGTERM, os.Interrupt} {
		d := start(t, repo, "run", "--json")
		d.stdout.await(t, `"event":"ready"`)
		id := result[readyEvent](d)
		if again := result[node.Identity](start(t, repo, "id", "--json").end(0)); again.ID != id.ID || len(again.Addrs) == 0 {
			t.Errorf("id says %+v, the daemon said %+v", again, id)
		}
		if err := d.cmd.Process.Signal(end); err != nil {
			t.Fatal(err)
		}
		if end == os.Kill {
			d.end(-1)
			continue
		}
		_ = d.cmd.Process.Signal(end) // once more, as from its group; it may have ended
		d.end(0)
	}
	start(t, repo, "ls", "--json").end(0)
}

func TestSmokeNotFound(t *testing.T) {
	get := start(t, t.TempDir(), "get", "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e", "--wait", "1s", "-o", t.TempDir(), "--json").end(exitNotFound)
	if !strings.Contains(get.stdout.String(), `"kind":"not_found"`) || !strings.Contains(get.stderr.String(), "try: ") {
		t.Errorf("stdout %q, stderr %q", get.stdout, get.stderr)
	}
}

// TestSmokeDemo runs the demonstration itself.
func TestSmokeDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("the demo takes some seconds; not with -short")
	}
	d := start(t, t.TempDir(), "demo", "--size", "16MiB").end(0)
	for _, word := range []string{"Everything matched on kademlia", "Everything matched on chord", "predecessor", "BUCKET", "hop"} {
		if !strings.Contains(d.stdout.String(), word) {
			t.Errorf("it does not say %q but %s", word, d.stdout)
		}
	}
	dirs := 0
	for _, dir := range strings.Fields(d.stdout.String()) {
		if strings.HasPrefix(filepath.Base(dir), "ringswap-demo-") {
			dirs++
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("it leaves %s behind: %v", dir, err)
			}
		}
	}
	if dirs < 2 {
		t.Errorf("it names %d folders: %s", dirs, d.stdout)
	}
}
