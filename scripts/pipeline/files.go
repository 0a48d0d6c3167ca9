package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// way is how a folder of small files goes over. send serves o.input on the first
// stream and on those that follow; receive writes to o.input and returns the
// bytes of the files.
type way struct {
	send    func(ctx context.Context, o options, s network.Stream, more <-chan network.Stream) error
	receive func(ctx context.Context, o options, h host.Host, s network.Stream) (int64, error)
}

var ways = map[string]way{
	"tar":     {send: sendTar, receive: receiveTar},
	"request": {send: sendFiles, receive: receiveFiles},
	"stream":  {send: sendFiles, receive: receiveFiles},
}

// sendTar lets tar write the folder to the stream.
func sendTar(ctx context.Context, o options, s network.Stream, _ <-chan network.Stream) error {
	defer s.Close()
	tar := exec.CommandContext(ctx, "tar", "-C", o.input, "-c", ".")
	tar.Stdout, tar.Stderr = s, os.Stderr
	if err := tar.Run(); err != nil {
		return fmt.Errorf("tar: %w", err)
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	untilClosed(s)
	return nil
}

func receiveTar(ctx context.Context, o options, _ host.Host, s network.Stream) (int64, error) {
	defer s.Close()
	if _, err := s.Write([]byte{1}); err != nil { // the stream is opened by its first byte
		return 0, err
	}
	if err := os.Mkdir(o.input, 0o777); err != nil {
		return 0, err
	}
	tar := exec.CommandContext(ctx, "tar", "-C", o.input, "-x")
	in := &counted{r: s}
	tar.Stdin, tar.Stderr = in, os.Stderr
	if err := tar.Run(); err != nil {
		return 0, fmt.Errorf("tar: %w", err)
	}
	return in.n, o.syncFiles()
}

type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// sendFiles answers requests until the first stream ends. A request is a number: 0
// for the names, n for the n-th file. An answer is its length and the bytes.
func sendFiles(ctx context.Context, o options, s network.Stream, more <-chan network.Stream) error {
	list, err := os.ReadDir(o.input)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- o.answer(s, list) }()
	for {
		select {
		case another := <-more:
			deadline(ctx, another)
			go func() { _ = o.answer(another, list) }() // the receiver sees what goes wrong
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// answer serves the requests of one stream.
func (o options) answer(s network.Stream, list []fs.DirEntry) error {
	defer s.Close()
	for r := bufio.NewReader(s); ; {
		q, err := binary.ReadUvarint(r)
		if err != nil {
			return nil //nolint:nilerr // the end of the stream is the end of the work
		}
		var body []byte
		switch {
		case q == 0:
			for _, e := range list {
				body = append(append(body, e.Name()...), '\n')
			}
		case q > uint64(len(list)):
			return fmt.Errorf("there is no file %d", q)
		default:
			if body, err = os.ReadFile(filepath.Join(o.input, list[q-1].Name())); err != nil {
				return err
			}
		}
		if _, err := s.Write(append(binary.AppendUvarint(nil, uint64(len(body))), body...)); err != nil {
			return err
		}
	}
}

// receiveFiles asks for the names and then for one file after the other, each
// when the one before is written.
func receiveFiles(ctx context.Context, o options, h host.Host, s network.Stream) (n int64, err error) {
	defer s.Close()
	r := bufio.NewReader(s)
	names, err := ask(s, r, 0)
	if err != nil {
		return 0, err
	}
	if err := os.Mkdir(o.input, 0o777); err != nil {
		return 0, err
	}
	for i, name := range strings.Split(strings.TrimSuffix(string(names), "\n"), "\n") {
		var body []byte
		if o.files == "stream" {
			body, err = askAlone(ctx, h, s.Conn().RemotePeer(), uint64(i+1))
		} else {
			body, err = ask(s, r, uint64(i+1))
		}
		if err != nil {
			return n, err
		}
		_ = sha256.Sum256(body) // as a receiver would that trusts nobody
		if err := os.WriteFile(filepath.Join(o.input, filepath.Base(name)), body, 0o666); err != nil {
			return n, err
		}
		n += int64(len(body))
	}
	return n, o.syncFiles()
}

// ask makes one request and reads its answer.
func ask(s network.Stream, r *bufio.Reader, q uint64) ([]byte, error) {
	if _, err := s.Write(binary.AppendUvarint(nil, q)); err != nil {
		return nil, err
	}
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	body := make([]byte, size)
	_, err = io.ReadFull(r, body)
	return body, err
}

// askAlone makes one request on a stream of its own.
func askAlone(ctx context.Context, h host.Host, from peer.ID, q uint64) ([]byte, error) {
	s, err := h.NewStream(ctx, from, protocolID)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	deadline(ctx, s)
	return ask(s, bufio.NewReader(s), q)
}

// syncFiles brings the folder to disk, if that is to be counted.
func (o options) syncFiles() error {
	if !o.fsync {
		return nil
	}
	return exec.Command("sync", "-f", o.input).Run()
}
