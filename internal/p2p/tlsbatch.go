package p2p

import (
	"context"
	"net"
	"sync"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	tptu "github.com/libp2p/go-libp2p/p2p/net/upgrader"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
)

// batchedTLS is libp2p's TLS with fewer system calls. Records of TLS have at most
// 16 KiB, at the beginning of a connection about 1 KiB, and crypto/tls writes and
// reads the socket once for each; here one write takes all records of what the
// muxer writes at a time, and one read whatever has come. The bytes on the wire
// are the same.
type batchedTLS struct{ *libp2ptls.Transport }

// newBatchedTLS has the signature that libp2p.Security wants.
func newBatchedTLS(id protocol.ID, key crypto.PrivKey, muxers []tptu.StreamMuxer) (*batchedTLS, error) {
	t, err := libp2ptls.New(id, key, muxers)
	if err != nil {
		return nil, err
	}
	return &batchedTLS{t}, nil
}

// SecureInbound implements sec.SecureTransport.
func (t *batchedTLS) SecureInbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	raw := &batchConn{Conn: insecure}
	return raw.secured(t.Transport.SecureInbound(ctx, raw, p))
}

// SecureOutbound implements sec.SecureTransport.
func (t *batchedTLS) SecureOutbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	raw := &batchConn{Conn: insecure}
	return raw.secured(t.Transport.SecureOutbound(ctx, raw, p))
}

const (
	// batchBytes is how much goes to or comes from the socket at a time: a frame of
	// the muxer with what TLS adds to its records, and some more.
	batchBytes = 128 << 10
	// smallWrite is what fits into the first, shortest record: it is one write
	// anyway.
	smallWrite = 1 << 10
)

var batches = sync.Pool{New: func() any { return new([batchBytes]byte) }}

// batchConn is the socket below TLS. It has a buffer only while it is of use: for
// the time of one write of the layer above, and between reads of one that has more
// to come.
type batchConn struct {
	net.Conn

	mu   sync.Mutex // guards what follows; held while writing
	hold bool       // records are collected
	out  *[batchBytes]byte
	n    int   // bytes in out
	err  error // of the first write that failed: a record may have gone out in part

	// The reader's. crypto/tls reads under a lock.
	in     *[batchBytes]byte
	r, w   int  // in[r:w] is still to be read
	eager  bool // the last read from the socket filled what was offered
	failed error
}

// Write implements net.Conn.
func (c *batchConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if !c.hold {
		return c.put(b)
	}
	if c.n+len(b) > batchBytes {
		if err := c.flush(); err != nil {
			return 0, err
		}
	}
	if len(b) > batchBytes {
		return c.put(b)
	}
	if c.out == nil {
		c.out = batches.Get().(*[batchBytes]byte)
	}
	c.n += copy(c.out[c.n:], b)
	return len(b), nil
}

// put writes to the socket. c.mu is held.
func (c *batchConn) put(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.err = err
	return n, err
}

// flush writes what was collected. c.mu is held.
func (c *batchConn) flush() error {
	if c.out == nil {
		return c.err
	}
	if c.err == nil && c.n > 0 {
		_, _ = c.put(c.out[:c.n])
	}
	batches.Put(c.out)
	c.out, c.n = nil, 0
	return c.err
}

// collect begins to hold records back, release ends it.
func (c *batchConn) collect() {
	c.mu.Lock()
	c.hold = true
	c.mu.Unlock()
}

func (c *batchConn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hold = false
	return c.flush()
}

// Read implements net.Conn. Its first read after a quiet time goes straight to p,
// so that a quiet connection needs no buffer.
func (c *batchConn) Read(p []byte) (int, error) {
	if c.in == nil {
		if !c.eager || len(p) >= batchBytes {
			n, err := c.Conn.Read(p)
			c.eager = err == nil && n == len(p)
			return n, err
		}
		c.in = batches.Get().(*[batchBytes]byte)
	}
	if c.r == c.w {
		if err := c.failed; err != nil {
			c.failed = nil
			return 0, err
		}
		n, err := c.Conn.Read(c.in[:])
		c.r, c.w, c.failed = 0, n, err
		c.eager = n > len(p)
	}
	n := copy(p, c.in[c.r:c.w])
	c.r += n
	var err error
	if n == 0 && len(p) > 0 {
		err, c.failed = c.failed, nil
	}
	if c.r == c.w && !c.eager && c.failed == nil {
		batches.Put(c.in)
		c.in = nil
	}
	return n, err
}

// secured is the connection above the socket c.
func (c *batchConn) secured(s sec.SecureConn, err error) (sec.SecureConn, error) {
	if err != nil {
		return nil, err
	}
	return &batchedConn{SecureConn: s, raw: c}, nil
}

// batchedConn is a TLS connection whose writes reach the socket whole.
type batchedConn struct {
	sec.SecureConn

	raw     *batchConn
	writing sync.Mutex // one Write collects at a time
}

// Write implements net.Conn. An error means that the connection is of no more use:
// what part of b has gone out is not known.
func (c *batchedConn) Write(b []byte) (int, error) {
	if len(b) <= smallWrite {
		return c.SecureConn.Write(b)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.raw.collect()
	n, err := c.SecureConn.Write(b)
	if ferr := c.raw.release(); err == nil && ferr != nil {
		n, err = 0, ferr
	}
	return n, err
}
