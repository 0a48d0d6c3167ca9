// Package integration tests the whole system as its users run it: several
// peer processes on loopback that share, fetch, crash and come back. Nothing
// here imports the house: what is tested is the command line. Packages below it
// build the program (program) and networks for it (lab); swarm measures.
package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20"

	"ringswap/integration/program"
)

// binary is the peer program under test, built once by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ringswap-integration-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if binary, err = program.Build(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// world is one isolated network of processes.
type world struct {
	t       *testing.T
	dir     string
	network string
	overlay string // empty: the default one
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if err := program.LookAtSources(".."); err != nil {
		t.Fatal(err)
	}
	return &world{t: t, dir: t.TempDir(), network: fmt.Sprintf("test-%x", rand.Uint64())}
}

// flags make a node stay on loopback and in this world.
func (w *world) flags(extra ...string) []string {
	flags := []string{"--network", w.network, "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"}
	if w.overlay != "" {
		flags = append(flags, "--overlay", w.overlay)
	}
	return append(flags, extra...)
}

// repo is the path of a node's repo. It is short: sockets have little room.
func (w *world) repo(name string) string { return filepath.Join(w.dir, name) }

// daemon is a running `peer run`.
type daemon struct {
	w     *world
	name  string
	repo  string
	cmd   *exec.Cmd
	ID    string
	Place string // in the keyspace, hexadecimal
	Addrs []string
	Ready time.Duration // from start to the ready line
	log   *logBuffer
	once  sync.Once
	ended chan struct{}
}

// start runs a daemon and waits until it is ready.
func (w *world) start(name string, extra ...string) *daemon {
	w.t.Helper()
	d := &daemon{w: w, name: name, repo: w.repo(name), log: &logBuffer{}, ended: make(chan struct{})}
	args := append([]string{"--repo", d.repo, "--json", "run"}, w.flags(extra...)...)
	d.cmd = exec.Command(binary, args...)
	d.cmd.Stderr = d.log
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	begin := time.Now()
	if err := d.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(d.kill)
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		w.t.Fatalf("%s did not become ready: %v\n%s", name, err, d.log)
	}
	d.Ready = time.Since(begin)
	var ready struct {
		Event, ID string
		Addrs     []string
	}
	if err := json.Unmarshal([]byte(line), &ready); err != nil || ready.Event != "ready" || len(ready.Addrs) == 0 {
		w.t.Fatalf("%s said %q instead of ready: %v", name, line, err)
	}
	d.ID, d.Addrs, d.Place = ready.ID, ready.Addrs, placeOf(w.t, ready.ID)
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		_ = d.cmd.Wait()
		close(d.ended)
	}()
	return d
}

// bootstrap is the flag that enters the overlay through d.
func (d *daemon) bootstrap() []string { return []string{"--bootstrap", d.Addrs[0]} }

// kill ends the daemon as a power cut would.
func (d *daemon) kill() {
	d.once.Do(func() { _ = d.cmd.Process.Kill() })
	<-d.ended
	if d.w.t.Failed() && d.log.Len() > 0 {
		d.w.t.Logf("stderr of %s:\n%s", d.name, d.log)
	}
}

// stop asks the daemon to end and waits for it.
func (d *daemon) stop() {
	d.w.t.Helper()
	d.once.Do(func() { _ = d.cmd.Process.Signal(os.Interrupt) })
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		_ = d.cmd.Process.Kill()
		d.w.t.Fatalf("%s did not stop within 20 s of an interrupt\n%s", d.name, d.log)
	}
}

// pair is two daemons in one world.
func pair(t *testing.T) (w *world, a, b *daemon) {
	t.Helper()
	w = newWorld(t)
	a = w.start("a")
	return w, a, w.start("b", a.bootstrap()...)
}

// do runs a command against the daemon and decodes its one JSON object.
func (d *daemon) do(out any, args ...string) {
	d.w.t.Helper()
	d.w.do(d.repo, out, args...)
}

// shares has the daemon share a file or folder.
func (d *daemon) shares(path string) (s shared) {
	d.w.t.Helper()
	d.do(&s, "share", path)
	return s
}

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// try runs a command to its end. Its error is about a command that could not be
// run, or did not end within the limit. It may be called by any goroutine.
func (w *world) try(limit time.Duration, repo string, args ...string) (result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append([]string{"--repo", repo}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return result{}, fmt.Errorf("peer %s did not end within %v\n%s%s", strings.Join(args, " "), limit, &stdout, &stderr)
	case err != nil && !errors.As(err, &exit):
		return result{}, fmt.Errorf("peer %s: %w", strings.Join(args, " "), err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}, nil
}

// run runs a command to its end, three minutes at most.
func (w *world) run(repo string, args ...string) result {
	w.t.Helper()
	r, err := w.try(3*time.Minute, repo, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// do runs a command that must succeed and decodes its one JSON object.
func (w *world) do(repo string, out any, args ...string) {
	w.t.Helper()
	r := w.run(repo, append([]string{"--json"}, args...)...)
	if r.code != 0 {
		w.t.Fatalf("peer %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal([]byte(r.stdout), out); err != nil {
		w.t.Fatalf("peer %s printed %q: %v", strings.Join(args, " "), r.stdout, err)
	}
}

// fails runs a command that must end with the given exit code and say all of
// the given words.
func (w *world) fails(code int, words []string, repo string, args ...string) {
	w.t.Helper()
	r := w.run(repo, args...)
	if r.code != code {
		w.t.Errorf("peer %s: exit %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(strings.ToLower(r.stdout+r.stderr), strings.ToLower(word)) {
			w.t.Errorf("peer %s does not say %q but:\n%s%s", strings.Join(args, " "), word, r.stdout, r.stderr)
		}
	}
}

// shared and got are the objects that share and get print.
type shared struct {
	Cid, Link, Name string
	Size            int64
	Chunks          int
}

type got struct {
	Cid, Path string
	Size      int64
	Resumed   int64
	Peers     []struct {
		ID, Path string
		Bytes    int64
	}
}

// file writes size bytes of a keystream that the seed determines.
func (w *world) file(name, seed string, size int64) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, io.LimitReader(keystream(w.t, seed), size)); err != nil {
		w.t.Fatal(err)
	}
	return path
}

type stream struct{ c *chacha20.Cipher }

func (s stream) Read(p []byte) (int, error) {
	clear(p)
	s.c.XORKeyStream(p, p)
	return len(p), nil
}

func keystream(t testing.TB, seed string) io.Reader {
	key := sha256.Sum256([]byte(seed))
	c, err := chacha20.NewUnauthenticatedCipher(key[:], make([]byte, chacha20.NonceSize))
	if err != nil {
		t.Fatal(err)
	}
	return stream{c}
}

// sameFile fails the test unless both files have the same bytes.
func (w *world) sameFile(a, b string) {
	w.t.Helper()
	if x, y := sum(w.t, a), sum(w.t, b); x != y {
		w.t.Fatalf("%s and %s differ", a, b)
	}
}

func sum(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// sameTree fails the test unless both folders hold the same names, types and
// bytes. Names that begin with a dot are left out of a share.
func (w *world) sameTree(a, b string) {
	w.t.Helper()
	x, y := tree(w.t, a), tree(w.t, b)
	if !slices.Equal(x, y) {
		w.t.Fatalf("the folders differ:\n%s\n---\n%s", strings.Join(x, "\n"), strings.Join(y, "\n"))
	}
}

func tree(t testing.TB, root string) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case rel != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir():
			lines = append(lines, "dir "+rel)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			lines = append(lines, "link "+rel+" -> "+target)
		default:
			lines = append(lines, "file "+rel+" "+sum(t, path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// logBuffer collects a process's standard error.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Len()
}

// unixOnly skips a test that needs signals or mounts of Unix.
func unixOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs Unix: signals and mounts")
	}
	_ = syscall.SIGKILL
}
