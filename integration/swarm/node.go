package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ringswap/integration/lab"
)

// node is a daemon on a machine of its own.
type node struct {
	*swarm
	name    string
	rider   bool // serves nobody
	machine *lab.Machine
	id      string
	addr    string // how others enter through it

	daemon *exec.Cmd
	quiet  chan struct{} // closed when the daemon says nothing more
	said   lastWords     // by the daemon, beside what is for programs
}

// repo is a short path: sockets have little room in their names.
func (n *node) repo() string { return filepath.Join(n.dir, n.machine.IP()) }

func (n *node) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := n.machine.Command(ctx, n.binary, append([]string{"--repo", n.repo(), "--json"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// start waits until the daemon is ready.
func (n *node) start(ctx context.Context) error {
	listen := "/ip4/" + n.machine.IP() + "/tcp/4001"
	if n.Transport == "quic" {
		listen = "/ip4/" + n.machine.IP() + "/udp/4001/quic-v1"
	}
	args := []string{"run", "--network", n.network, "--overlay", n.Overlay, "--no-mdns", "--listen", listen}
	if seed := n.nodes[0]; seed != n {
		args = append(args, "--bootstrap", seed.addr)
	}
	if n.rider {
		args = append(args, "--limit-up", "none")
	}
	daemon := n.command(ctx, args...)
	daemon.Stderr = &n.said
	if n.Verbose {
		daemon.Stderr = io.MultiWriter(os.Stderr, &n.said)
	}
	out, err := daemon.StdoutPipe()
	if err != nil {
		return err
	}
	if err := daemon.Start(); err != nil {
		return err
	}
	n.daemon, n.quiet = daemon, make(chan struct{})
	lines := bufio.NewReader(out)
	line, err := lines.ReadBytes('\n')
	go func() {
		defer close(n.quiet)
		_, _ = io.Copy(io.Discard, lines)
	}()
	var ready struct {
		ID    string
		Addrs []string
	}
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil || len(ready.Addrs) == 0 {
		return fmt.Errorf("%s said %q instead of ready: %w", n.name, line, err)
	}
	n.id, n.addr = ready.ID, ready.Addrs[0]
	return nil
}

// stop asks the daemon to end, and waits for it.
func (n *node) stop() error {
	if n.daemon == nil {
		return nil
	}
	_ = n.daemon.Process.Signal(os.Interrupt) // it may have ended already
	limit := time.AfterFunc(20*time.Second, func() { _ = n.daemon.Process.Kill() })
	defer limit.Stop()
	<-n.quiet
	if err := n.daemon.Wait(); err != nil {
		return fmt.Errorf("%s: %w: its last words: %s", n.name, err, n.said.bytes)
	}
	return nil
}

// lastWords keeps the end of what a process says: enough to see why it died.
type lastWords struct{ bytes []byte }

func (l *lastWords) Write(b []byte) (int, error) {
	l.bytes = append(l.bytes, b...)
	if more := len(l.bytes) - 8<<10; more > 0 {
		l.bytes = l.bytes[more:]
	}
	return len(b), nil
}

// do runs a command against the daemon and decodes its one JSON object.
func (n *node) do(ctx context.Context, out any, args ...string) error {
	cmd := n.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: peer %s: %w: %s%s", n.name, strings.Join(args, " "), err, &stdout, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
		return fmt.Errorf("%s: peer %s printed %q: %w", n.name, strings.Join(args, " "), &stdout, err)
	}
	return nil
}
