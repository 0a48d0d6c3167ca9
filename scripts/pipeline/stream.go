package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const (
	protocolID = "/pipeline/1"
	// readStep is what is read of the file at a time, and writeStep what is hashed
	// and written: on machines whose memory is given to them page by page, larger
	// writes made the yardstick two to five times as long.
	readStep  = 1 << 20
	writeStep = 128 << 10
)

// newHost is a host with the fastest settings that were found: AES-GCM rather
// than ChaCha20, large frames and a window that is never waited for.
func (o options) newHost(listen bool) (host.Host, error) {
	mux := *yamux.DefaultTransport
	mux.MaxMessageSize = 256 << 10
	mux.InitialStreamWindowSize = 4 << 20
	opts := []libp2p.Option{
		libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.NoListenAddrs,
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.Muxer(yamux.ID, &mux),
	}
	addr := "/ip4/127.0.0.1/tcp/0"
	if o.quic {
		addr = "/ip4/127.0.0.1/udp/0/quic-v1"
		opts = append(opts, libp2p.Transport(quic.NewTransport))
	} else {
		opts = append(opts, libp2p.Transport(tcp.NewTCPTransport))
	}
	if listen {
		opts = append(opts, libp2p.ListenAddrStrings(addr))
	}
	return libp2p.New(opts...)
}

// send writes the file to the first stream that is opened to it. It prints its
// address first.
func (o options) send(ctx context.Context, out io.Writer) (err error) {
	h, err := o.newHost(true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	streams := make(chan network.Stream)
	h.SetStreamHandler(protocolID, func(s network.Stream) {
		select {
		case streams <- s:
		case <-ctx.Done():
		}
	})
	if _, err := fmt.Fprintf(out, "%s/p2p/%s\n", h.Addrs()[0], h.ID()); err != nil {
		return err
	}
	select {
	case s := <-streams:
		if o.files != "" {
			deadline(ctx, s)
			return ways[o.files].send(ctx, o, s, streams)
		}
		return o.sendOn(ctx, s)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o options) sendOn(ctx context.Context, s network.Stream) error {
	defer s.Close()
	deadline(ctx, s)
	f, err := os.Open(o.input)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, readStep)
	for {
		n, err := f.Read(buf)
		if _, werr := s.Write(buf[:n]); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	untilClosed(s)
	return nil
}

// untilClosed waits until the receiver has everything. How it says so does not
// matter: over QUIC the connection may be gone before the stream's end is seen.
func untilClosed(s network.Stream) { _, _ = io.Copy(io.Discard, s) }

// receive writes what the stream brings to the file and prints the result.
func (o options) receive(ctx context.Context, out io.Writer) (err error) {
	h, err := o.newHost(false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	a, err := ma.NewMultiaddr(o.addr)
	if err != nil {
		return err
	}
	from, err := peer.AddrInfoFromP2pAddr(a)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := h.Connect(ctx, *from); err != nil {
		return err
	}
	s, err := h.NewStream(ctx, from.ID, protocolID)
	if err != nil {
		return err
	}
	defer s.Close()
	deadline(ctx, s)
	r := result{Transport: "tcp", Fsync: o.fsync}
	if o.quic {
		r.Transport = "quic"
	}
	if o.files != "" {
		r.Bytes, err = ways[o.files].receive(ctx, o, h, s)
	} else {
		r.Bytes, r.SHA256, err = o.receiveOn(s)
	}
	if err != nil {
		return err
	}
	r.Seconds = time.Since(began).Seconds()
	return json.NewEncoder(out).Encode(r)
}

func (o options) receiveOn(s network.Stream) (n int64, sum string, err error) {
	f, err := os.Create(o.input)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := s.Write([]byte{1}); err != nil { // the stream is opened by its first byte
		return 0, "", err
	}
	h, buf := sha256.New(), make([]byte, writeStep)
	for {
		m, err := io.ReadFull(s, buf)
		h.Write(buf[:m])
		if _, werr := f.Write(buf[:m]); werr != nil {
			return n, "", werr
		}
		n += int64(m)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return n, "", err
		}
	}
	if o.fsync {
		if err := f.Sync(); err != nil {
			return n, "", err
		}
	}
	return n, hex.EncodeToString(h.Sum(nil)), s.CloseWrite()
}

// deadline ends reads and writes of s with ctx's deadline.
func deadline(ctx context.Context, s network.Stream) {
	if d, ok := ctx.Deadline(); ok {
		_ = s.SetDeadline(d)
	}
}
