// Command pipeline measures the least that moving a file between two processes
// can cost: one process reads it and writes it to one encrypted libp2p stream on
// loopback, the other reads the stream, hashes and writes the file. There is no
// protocol at all. What it measures is the yardstick for a real transfer in the
// same run.
//
// Start reading at run; send and receive are the two processes.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const usage = `pipeline moves a file between two processes over one encrypted libp2p stream on
loopback, hashes it on the way and writes it, and says how long that took. With
--files, --input is a folder of small files instead, which goes over in one of
several ways.

usage: go run ./scripts/pipeline [flags]

`

type options struct {
	size    int64
	dir     string
	input   string
	quic    bool
	files   string
	fsync   bool
	json    bool
	timeout time.Duration
	role    string
	addr    string
}

// result is what is printed.
type result struct {
	Transport string `json:"transport"`
	Bytes     int64  `json:"bytes"`
	// Seconds is from before the connection is made until the file is complete.
	Seconds float64 `json:"seconds"`
	// ProcessSeconds is the receiving process from its start to its end.
	ProcessSeconds float64 `json:"process_seconds,omitempty"`
	// SendCPU and ReceiveCPU are the processor time of either process, with what
	// it started, from its start to its end.
	SendCPU    float64 `json:"send_cpu_seconds,omitempty"`
	ReceiveCPU float64 `json:"receive_cpu_seconds,omitempty"`
	Fsync      bool    `json:"fsync"`
	SHA256     string  `json:"sha256,omitempty"`
}

func main() {
	var o options
	flag.Int64Var(&o.size, "size", 1<<30, "`bytes` to move, if there is no --input")
	flag.StringVar(&o.dir, "dir", "", "`folder` for the files (default: a temporary one); what is made in it is removed")
	flag.StringVar(&o.input, "input", "", "`file` to move instead of a generated one")
	flag.BoolVar(&o.quic, "quic", false, "use QUIC instead of TCP")
	flag.StringVar(&o.files, "files", "", "move a folder instead, by `way`: tar (a tar stream), request (one request a file on one stream, each after the last answer), stream (the same, on a stream of its own)")
	flag.BoolVar(&o.fsync, "fsync", false, "count the final fsync of the file too")
	flag.BoolVar(&o.json, "json", false, "print one JSON object")
	flag.DurationVar(&o.timeout, "timeout", 5*time.Minute, "give up after this `time`")
	flag.StringVar(&o.role, "role", "", "used by the program to start itself")
	flag.StringVar(&o.addr, "addr", "", "used by the program to start itself")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := o.main(); err != nil {
		fmt.Fprintln(os.Stderr, "pipeline:", err)
		os.Exit(1)
	}
}

func (o options) main() error {
	if flag.NArg() > 0 || o.size < 0 || o.timeout <= 0 || o.files != "" && (o.input == "" || ways[o.files].send == nil) {
		flag.Usage()
		return errors.New("wrong usage")
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	switch o.role {
	case "":
		return o.run(ctx)
	case "send":
		return o.send(ctx, os.Stdout)
	case "receive":
		return o.receive(ctx, os.Stdout)
	}
	return fmt.Errorf("no role %q", o.role)
}

// run makes the file, starts both processes and prints the result.
func (o options) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(o.dir, "pipeline-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.input == "" {
		o.input = filepath.Join(dir, "in")
		if err := generate(o.input, o.size); err != nil {
			return err
		}
	}
	want := ""
	if o.files == "" { // which also brings the file into the page cache
		if want, err = hash(o.input); err != nil {
			return err
		}
	}
	r, err := o.move(ctx, filepath.Join(dir, "out"))
	if err != nil {
		return err
	}
	if r.SHA256 != want {
		return errors.New("the bytes that arrived are not those that were sent")
	}
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	_, err = fmt.Printf("%d bytes over %s in %.3f s, %.0f MB/s (receiving process %.3f s)\n",
		r.Bytes, r.Transport, r.Seconds, float64(r.Bytes)/1e6/r.Seconds, r.ProcessSeconds)
	return err
}

// move runs the two processes.
func (o options) move(ctx context.Context, out string) (result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sender, err := o.child(ctx, "send", o.input)
	if err != nil {
		return result{}, err
	}
	pipe, err := sender.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	if err := sender.Start(); err != nil {
		return result{}, err
	}
	ended := false
	defer func() {
		if !ended {
			cancel() // which kills it
			_ = sender.Wait()
		}
	}()
	line, err := bufio.NewReader(pipe).ReadString('\n')
	if err != nil {
		return result{}, fmt.Errorf("the sender ended early: %w", err)
	}
	o.addr = strings.TrimSpace(line)
	receiver, err := o.child(ctx, "receive", out)
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	answer, err := receiver.Output()
	if err != nil {
		return result{}, fmt.Errorf("the receiver failed: %w", err)
	}
	took := time.Since(began)
	var r result
	if err := json.Unmarshal(answer, &r); err != nil {
		return result{}, err
	}
	ended = true
	if err := sender.Wait(); err != nil {
		return result{}, fmt.Errorf("the sender failed: %w", err)
	}
	r.ProcessSeconds = took.Seconds()
	r.SendCPU, r.ReceiveCPU = cpu(sender), cpu(receiver)
	return r, nil
}

// cpu is the processor time in seconds of a process that has ended.
func cpu(cmd *exec.Cmd) float64 {
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
}

// child prepares this program in another role. It dies with ctx.
func (o options) child(ctx context.Context, role, file string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "--role", role, "--input", file, "--addr", o.addr,
		"--files", o.files, fmt.Sprintf("--quic=%t", o.quic), fmt.Sprintf("--fsync=%t", o.fsync), "--timeout", o.timeout.String())
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = time.Second
	return cmd, nil
}

// generate writes n bytes that no layer can compress.
func generate(name string, n int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{1}), n)
	return errors.Join(err, f.Close())
}

func hash(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
