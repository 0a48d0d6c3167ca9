package swaptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/wire"
)

// Conn speaks the protocol frame by frame, so that a test can say anything.
type Conn struct {
	T testing.TB
	S network.Stream
	R *wire.Reader
}

// message is any frame of package wire but Block.
type message interface{ Append([]byte) []byte }

// Dial opens a stream to a holder and says nothing yet. Reads and writes fail
// after ten seconds.
func Dial(t testing.TB, h host.Host, to peer.AddrInfo) *Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.Connect(ctx, to); err != nil {
		t.Fatal(err)
	}
	s, err := h.NewStream(ctx, to.ID, swap.ProtocolID(Network))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Reset() })
	_ = s.SetDeadline(time.Now().Add(10 * time.Second))
	return &Conn{T: t, S: s, R: wire.NewReader(s)}
}

// Hello opens the conversation about root and returns the holder's State.
func (c *Conn) Hello(root cid.Cid) wire.State {
	c.T.Helper()
	c.Send(wire.Hello{Version: wire.Version, Root: root})
	return c.State()
}

// Offer is Hello that offers every feature.
func (c *Conn) Offer(root cid.Cid) wire.State {
	c.T.Helper()
	c.Send(wire.Hello{Version: wire.Version, Features: wire.FeatureChoke | wire.FeatureVouch | wire.FeaturePeers, Root: root})
	return c.State()
}

// Send writes frames.
func (c *Conn) Send(ms ...message) {
	c.T.Helper()
	var b []byte
	for _, m := range ms {
		b = m.Append(b)
	}
	c.Write(b)
}

// Write writes anything.
func (c *Conn) Write(b []byte) {
	c.T.Helper()
	if _, err := c.S.Write(b); err != nil {
		c.T.Fatalf("write: %v", err)
	}
}

// State reads the next frame, which must be a State.
func (c *Conn) State() wire.State {
	c.T.Helper()
	m, err := wire.ParseState(c.body(wire.TypeState))
	if err != nil {
		c.T.Fatal(err)
	}
	return m
}

func (c *Conn) body(want wire.Type) []byte {
	c.T.Helper()
	h, err := c.R.Next()
	if err != nil {
		c.T.Fatalf("waiting for a frame of type %d: %v", want, err)
	}
	if h.Type != want {
		c.T.Fatalf("frame of type %d, want %d", h.Type, want)
	}
	b, err := c.R.Body(h)
	if err != nil {
		c.T.Fatal(err)
	}
	return b
}

// Answer is what came for a Want.
type Answer struct {
	Data    []byte
	Refused bool
	Reason  wire.Reason
}

// Answers reads until n Wants are answered, and passes over news.
func (c *Conn) Answers(n int) map[uint64]Answer {
	c.T.Helper()
	open, done := make(map[uint64]*bytes.Buffer), make(map[uint64]Answer)
	for len(done) < n {
		h, err := c.R.Next()
		if err != nil {
			c.T.Fatalf("after %d of %d answers: %v", len(done), n, err)
		}
		b, err := c.R.Body(h)
		if err != nil {
			c.T.Fatal(err)
		}
		switch h.Type {
		case wire.TypeBlock:
			m, data, err := wire.ParseBlock(b)
			if err != nil {
				c.T.Fatal(err)
			}
			if open[m.ID] == nil {
				open[m.ID] = new(bytes.Buffer)
			}
			open[m.ID].Write(data)
			if m.Last {
				c.once(done, m.ID)
				done[m.ID] = Answer{Data: open[m.ID].Bytes()}
			}
		case wire.TypeRefuse:
			m, err := wire.ParseRefuse(b)
			if err != nil {
				c.T.Fatal(err)
			}
			c.once(done, m.ID)
			done[m.ID] = Answer{Refused: true, Reason: m.Reason}
		case wire.TypeState, wire.TypeBitmap, wire.TypeHave, wire.TypeChoke, wire.TypeUnchoke:
		default:
			c.T.Fatalf("frame of type %d", h.Type)
		}
	}
	return done
}

func (c *Conn) once(done map[uint64]Answer, id uint64) {
	c.T.Helper()
	if _, twice := done[id]; twice {
		c.T.Fatalf("two answers to %d", id)
	}
}

// Ends reads until the other side ends the stream, and returns the error code
// with which it did; 0 for a plain end.
func (c *Conn) Ends() network.StreamErrorCode {
	c.T.Helper()
	for {
		h, err := c.R.Next()
		if err == nil {
			_, err = c.R.Body(h)
		}
		if err == nil {
			continue
		}
		var reset *network.StreamError
		if errors.As(err, &reset) {
			return reset.ErrorCode
		}
		var timeout interface{ Timeout() bool }
		if errors.As(err, &timeout) && timeout.Timeout() {
			c.T.Fatal("the stream did not end")
		}
		return 0
	}
}

// Handle makes h a holder that does what f says with every stream, after a
// well-formed Hello. The stream is reset when f returns.
func Handle(t testing.TB, h host.Host, f func(c *Conn, hello wire.Hello) error) {
	t.Helper()
	h.SetStreamHandler(swap.ProtocolID(Network), func(s network.Stream) {
		defer s.Reset() //nolint:errcheck // it is over either way
		c := &Conn{T: t, S: s, R: wire.NewReader(s)}
		head, err := c.R.Next()
		if err != nil {
			return
		}
		b, err := c.R.Body(head)
		if err != nil {
			return
		}
		hello, err := wire.ParseHello(b)
		if err != nil {
			t.Error(fmt.Errorf("a requester's Hello: %w", err))
			return
		}
		_ = f(c, hello)
	})
}

// Wants reads requests until the stream ends and calls f for each Want.
func (c *Conn) Wants(f func(wire.Want) error) error {
	for {
		h, err := c.R.Next()
		if err != nil {
			return err
		}
		b, err := c.R.Body(h)
		if err != nil {
			return err
		}
		if h.Type != wire.TypeWant {
			continue
		}
		m, err := wire.ParseWant(b)
		if err != nil {
			return err
		}
		if err := f(m); err != nil {
			return err
		}
	}
}

// Put writes frames and does not mind if the other side is gone.
func (c *Conn) Put(ms ...message) error {
	var b []byte
	for _, m := range ms {
		b = m.Append(b)
	}
	_, err := c.S.Write(b)
	return err
}

// PutBlock answers a Want with data, in frames as large as allowed.
func (c *Conn) PutBlock(id uint64, data []byte) error {
	for {
		n := min(len(data), wire.MaxBlockData)
		m := wire.Block{ID: id, Last: n == len(data), Len: n}
		if _, err := c.S.Write(append(m.AppendHead(nil), data[:n]...)); err != nil || m.Last {
			return err
		}
		data = data[n:]
	}
}
