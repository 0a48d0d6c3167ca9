package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ringswap/internal/node"
)

// command is this program with the given arguments, in the demo's folder and
// without what the environment says about nodes. It prints what it will run.
func (d *demo) command(ctx context.Context, quiet bool, repo string, args ...string) *exec.Cmd {
	args = append([]string{"--repo", repo}, args...)
	if !quiet {
		d.say("   $ peer %s\n", strings.Join(args, " "))
	}
	cmd := exec.CommandContext(ctx, d.self, args...)
	cmd.Dir = d.dir
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PEER_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	return cmd
}

// daemon is a node in a process of its own.
type daemon struct {
	id, addr string
	cmd      *exec.Cmd
	log      *os.File
	ended    chan struct{} // closed when the process has ended
	err      error         // how, after that
}

// startDaemon starts a daemon and returns when it is ready. A daemon that is
// not nil runs, whatever the error, and is the caller's to end.
func (d *demo) startDaemon(ctx context.Context, repo string, flags ...string) (*daemon, readyEvent, error) {
	// The process outlives ctx, so that it can be told to end.
	cmd := d.command(context.WithoutCancel(ctx), false, repo, append([]string{"run", "--json"}, flags...)...)
	log, err := os.Create(filepath.Join(d.dir, repo+".log"))
	if err != nil {
		return nil, readyEvent{}, err
	}
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, readyEvent{}, errors.Join(err, log.Close())
	}
	n := &daemon{cmd: cmd, log: log, ended: make(chan struct{})}
	ready := make(chan readyEvent, 1)
	go n.watch(stdout, ready)
	select {
	case r := <-ready:
		n.id = r.ID
		if len(r.Addrs) > 0 {
			n.addr = r.Addrs[0]
		}
		return n, r, nil
	case <-n.ended:
		return n, readyEvent{}, fmt.Errorf("%s ended before it was ready: %s", repo, tail(log.Name()))
	case <-ctx.Done():
		return n, readyEvent{}, context.Cause(ctx)
	}
}

// watch reads the daemon's events until it ends.
func (n *daemon) watch(stdout io.Reader, ready chan<- readyEvent) {
	defer close(n.ended)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var e readyEvent
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Event == "ready" {
			ready <- e
		}
	}
	n.err = errors.Join(n.cmd.Wait(), n.log.Close())
}

func (n *daemon) pid() int { return n.cmd.Process.Pid }

// kill ends the process at once and waits for that.
func (n *daemon) kill() {
	_ = n.cmd.Process.Kill() // it may have ended by itself
	<-n.ended
	n.err = nil // as it was meant to
}

// interrupt asks the process to end, as Ctrl-C does; where that cannot be
// asked, it is killed.
func (n *daemon) interrupt() {
	if n.cmd.Process.Signal(os.Interrupt) != nil {
		_ = n.cmd.Process.Kill()
	}
}

// wait waits for the process to end, and kills it when that takes too long.
func (n *daemon) wait(patience time.Duration) error {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-n.ended:
		return n.err
	case <-t.C:
		n.kill()
		return fmt.Errorf("it did not end within %v of being told to", patience)
	}
}

// tail is the end of a log.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-2000):]))
}

// ask runs a command with --json and decodes the objects it prints.
func ask[T any](ctx context.Context, d *demo, repo string, args ...string) ([]T, error) {
	return askQuietly[T](ctx, d, false, repo, args...)
}

func askQuietly[T any](ctx context.Context, d *demo, quiet bool, repo string, args ...string) ([]T, error) {
	cmd := d.command(ctx, quiet, repo, append(args, "--json")...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &node.Error{
			Kind: node.KindFailed,
			What: fmt.Sprintf("peer %s failed (%v)", args[0], err),
			Why:  strings.TrimSpace(stderr.String()),
			Err:  err,
		}
	}
	var all []T
	for dec := json.NewDecoder(&stdout); ; {
		var v T
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("peer %s printed something else than JSON: %w", args[0], err)
		}
		all = append(all, v)
	}
}

// askOne is ask for commands that print one object.
func askOne[T any](ctx context.Context, d *demo, repo string, args ...string) (one T, err error) {
	all, err := ask[T](ctx, d, repo, args...)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("peer %s printed %d objects instead of one", args[0], len(all))
	}
	if err != nil {
		return one, err
	}
	return all[0], nil
}

var percentShown = regexp.MustCompile(`: ([0-9]+)%`)

// killMidway runs a command and kills it when its progress says that it has
// done the given percentage.
func (d *demo) killMidway(ctx context.Context, repo string, at int, args ...string) error {
	cmd := d.command(ctx, false, repo, args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var seen strings.Builder
	killed := false
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&seen, lines.Text())
		m := percentShown.FindStringSubmatch(lines.Text())
		if m == nil || killed {
			continue
		}
		if done, err := strconv.Atoi(m[1]); err == nil && done >= at && done < 100 {
			d.say("     %s\n   $ kill -9 %d\n", lines.Text(), cmd.Process.Pid)
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				return errors.Join(err, cmd.Wait())
			}
		}
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !killed:
		return fmt.Errorf("the command ended before it could be killed (%w): %s", err, strings.TrimSpace(seen.String()))
	}
	return nil
}
