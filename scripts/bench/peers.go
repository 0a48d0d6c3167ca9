package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// bench holds the built programs and the files of one run.
type bench struct {
	options
	dir      string
	peer     string // path of the peer program
	pipeline string // path of the bare pipeline
	file     string // the file that is shared, in the page cache
	network  string
	nodes    int
}

func newBench(ctx context.Context, o options) (*bench, error) {
	dir, err := os.MkdirTemp(o.dir, "ringswap-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, dir: dir, network: "bench-" + filepath.Base(dir)[len("ringswap-bench-"):]}
	b.peer, b.pipeline = filepath.Join(dir, "peer"), filepath.Join(dir, "pipeline")
	for out, pkg := range map[string]string{b.peer: "ringswap/cmd/peer", b.pipeline: "ringswap/scripts/pipeline"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, pkg)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			b.close()
			return nil, fmt.Errorf("building %s: %w", pkg, err)
		}
	}
	b.file = filepath.Join(dir, "file")
	if err := fill(b.file, o.size); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) }

// fill writes random bytes and reads them back once, so that they are in the
// page cache, and on disk already when writing is measured.
func fill(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyN(f, rand.Reader, size); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, f)
	return err
}

// node is a running daemon.
type node struct {
	b     *bench
	repo  string
	cmd   *exec.Cmd
	id    string
	addrs []string
	ready time.Duration
}

// Where daemons listen.
const (
	overTCP  = "/ip4/127.0.0.1/tcp/0"
	overQUIC = "/ip4/127.0.0.1/udp/0/quic-v1"
)

// daemon starts a node in a new repo, or in the given one, that listens at an
// address; flags are more of those of peer run.
func (b *bench) daemon(ctx context.Context, repo, listen string, flags ...string) (*node, error) {
	if repo == "" {
		b.nodes++
		repo = filepath.Join(b.dir, "n"+strconv.Itoa(b.nodes))
	}
	args := append([]string{
		"--repo", repo, "--json", "run", "--network", b.network, "--overlay", b.overlay, "--no-mdns",
		"--listen", listen,
	}, flags...)
	n := &node{b: b, repo: repo, cmd: exec.CommandContext(ctx, b.peer, args...)}
	n.cmd.Stderr = os.Stderr
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		n.stop()
		return nil, fmt.Errorf("the daemon did not become ready: %w", err)
	}
	n.ready = time.Since(begin)
	var ready struct {
		ID    string   `json:"id"`
		Addrs []string `json:"addrs"`
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		n.stop()
		return nil, err
	}
	n.id, n.addrs = ready.ID, ready.Addrs
	return n, nil
}

func (n *node) stop() {
	_ = n.cmd.Process.Signal(os.Interrupt)
	ended := make(chan struct{})
	go func() { _ = n.cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = n.cmd.Process.Kill()
		<-ended
	}
}

// memory reads a field such as VmRSS or VmHWM of the daemon's status, in MiB.
func (n *node) memory(field string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in the status of process %d", field, n.cmd.Process.Pid)
}

// ticks is the unit of times in /proc, of which there are so many a second
// (sysconf(_SC_CLK_TCK), which is 100 on every Linux that Go runs on).
const ticks = 100

// cpu reads the processor time of the daemon until now, in seconds.
func (n *node) cpu() (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(stat), ") ") // the name before it may hold anything
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("no times in %q", stat)
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticks, err
}

// command runs a command against the node and decodes its JSON into out.
func (n *node) command(ctx context.Context, out any, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, n.b.peer, append([]string{"--repo", n.repo, "--json"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	if err != nil {
		return took, fmt.Errorf("peer %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	if out == nil {
		return took, nil
	}
	return took, json.Unmarshal(stdout.Bytes(), out)
}

// randomHex is a name that nobody else uses.
func randomHex() string {
	var r [8]byte
	_, _ = rand.Read(r[:]) // never fails
	return hex.EncodeToString(r[:])
}
