package p2p

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	mrand "math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
)

// tappedConn counts what is asked of a socket, and fails when it is told to.
type tappedConn struct {
	net.Conn
	reads, writes atomic.Int64
	broken        atomic.Bool
}

var errTapped = errors.New("broken by the test")

func (c *tappedConn) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(p)
}

func (c *tappedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	if c.broken.Load() {
		return 0, errTapped
	}
	return c.Conn.Write(p)
}

// tlsPair is two ends of a TLS connection over loopback: at least the first is
// ours, the other is libp2p's own if plain.
func tlsPair(t *testing.T, plain bool) (ours, theirs sec.SecureConn, tap *tappedConn) {
	t.Helper()
	secure := func(plain bool) sec.SecureTransport {
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		var tr sec.SecureTransport
		if plain {
			tr, err = libp2ptls.New(libp2ptls.ID, key, nil)
		} else {
			tr, err = newBatchedTLS(libp2ptls.ID, key, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var accepted sync.WaitGroup
	accepted.Go(func() {
		c, err := l.Accept()
		if err == nil {
			theirs, err = secure(plain).SecureInbound(context.Background(), c, "")
		}
		if err != nil {
			t.Error(err)
		}
	})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tap = &tappedConn{Conn: c}
	ours, err = secure(false).SecureOutbound(t.Context(), tap, peer.ID(""))
	accepted.Wait()
	if err != nil || t.Failed() {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return ours, theirs, tap
}

// TestBatchedTLSCarriesBytes writes and reads pieces of every size in both
// directions at once, between two of ours and between one of ours and one of
// libp2p's.
func TestBatchedTLSCarriesBytes(t *testing.T) {
	for _, plain := range []bool{false, true} {
		a, b, _ := tlsPair(t, plain)
		data := make([]byte, 8<<20)
		_, _ = rand.Read(data) // never fails
		var work sync.WaitGroup
		for seed, ends := range [][2]sec.SecureConn{{a, b}, {b, a}} {
			from, to := ends[0], ends[1]
			work.Go(func() {
				r := mrand.New(mrand.NewPCG(1, uint64(seed)))
				for left := data; len(left) > 0; {
					n := min(len(left), 1+r.IntN(1<<r.IntN(19)))
					if m, err := from.Write(left[:n]); err != nil || m != n {
						t.Errorf("wrote %d of %d: %v", m, n, err)
						return
					}
					left = left[n:]
				}
			})
			work.Go(func() {
				r := mrand.New(mrand.NewPCG(2, uint64(seed)))
				got := make([]byte, 0, len(data))
				for len(got) < len(data) {
					n, err := to.Read(got[len(got):min(len(data), len(got)+1+r.IntN(1<<r.IntN(19)))])
					got = got[:len(got)+n]
					if err != nil {
						t.Error(err)
						break
					}
				}
				if !bytes.Equal(got, data) {
					t.Errorf("other bytes came (plain %v, direction %d)", plain, seed)
				}
			})
		}
		work.Wait()
	}
}

// TestBatchedTLSCalls counts what one frame of the muxer costs.
func TestBatchedTLSCalls(t *testing.T) {
	ours, theirs, tap := tlsPair(t, false)
	frame := make([]byte, 64<<10)
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.CopyN(io.Discard, theirs, 40*int64(len(frame))) })
	begin := tap.writes.Load()
	for range 40 {
		if _, err := ours.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	if n := tap.writes.Load() - begin; n != 40 {
		t.Errorf("40 frames took %d writes", n)
	}
	reading.Wait()
}

// TestBatchedTLSErrors: what the socket says reaches the writer, and nothing is
// written to it any more.
func TestBatchedTLSErrors(t *testing.T) {
	ours, _, tap := tlsPair(t, false)
	tap.broken.Store(true)
	if _, err := ours.Write(make([]byte, 100<<10)); !errors.Is(err, errTapped) {
		t.Fatalf("the write failed with %v", err)
	}
	tap.broken.Store(false)
	writes := tap.writes.Load()
	if _, err := ours.Write(make([]byte, 100<<10)); !errors.Is(err, errTapped) {
		t.Errorf("the next write failed with %v", err)
	}
	if _, err := ours.Write([]byte{1}); !errors.Is(err, errTapped) {
		t.Errorf("a small write failed with %v", err)
	}
	if tap.writes.Load() != writes {
		t.Error("something was written after the error")
	}
}

// TestBatchedTLSEnd: what was sent before the other end closed is read to the end.
func TestBatchedTLSEnd(t *testing.T) {
	ours, theirs, _ := tlsPair(t, false)
	const n = 3<<20 + 17
	go func() {
		_, _ = theirs.Write(make([]byte, n)) // the reader sees what is missing
		_ = theirs.Close()
	}()
	got, err := io.Copy(io.Discard, ours)
	if got != n || err != nil {
		t.Errorf("%d of %d bytes came, %v", got, n, err)
	}
	if c := ours.(*batchedConn).raw; c.in != nil && c.r == c.w && !c.eager {
		t.Error("a buffer is kept that is of no use")
	}
}
