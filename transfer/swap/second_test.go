package swap_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/swaptest"
)

// This file is a second implementation of the protocol, as small as may be, written from
// docs/wire.md alone: it shares no code with package wire. Numbers stand here as
// they stand there. If it and the nodes understand each other, and the page says
// enough to write it, others can do the same.

// secondProtocol is /NAME/swap/1.
const secondProtocol = protocol.ID("/" + swaptest.Network + "/swap/1")

// num appends varints.
func num(b []byte, all ...uint64) []byte {
	for _, v := range all {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// str appends a length and so many bytes.
func str(b, p []byte) []byte { return append(num(b, uint64(len(p))), p...) }

// frame appends a frame.
func frame(b []byte, typ uint64, body []byte) []byte {
	return append(num(b, typ, uint64(len(body))), body...)
}

// second is one side of a stream.
type second struct {
	s   network.Stream
	buf []byte // what came and was not looked at
	mu  sync.Mutex
}

// next is the next frame: its type and its body.
func (c *second) next() (typ uint64, body []byte, err error) {
	for {
		t, n := binary.Uvarint(c.buf)
		if n > 0 {
			size, k := binary.Uvarint(c.buf[n:])
			if k > 0 && size > 262_208 {
				return 0, nil, fmt.Errorf("a frame of %d bytes", size)
			}
			if k > 0 && len(c.buf) >= n+k+int(size) {
				body = c.buf[n+k : n+k+int(size)]
				c.buf = slices.Clone(c.buf[n+k+int(size):])
				return t, body, nil
			}
		}
		chunk := make([]byte, 64<<10)
		k, err := c.s.Read(chunk)
		if c.buf = append(c.buf, chunk[:k]...); k == 0 && err != nil {
			return 0, nil, err
		}
	}
}

func (c *second) write(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.s.Write(b)
	return err
}

// fields reads varints and counted strings off the front of a body.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) num() uint64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 || n > 1 && f.b[n-1] == 0 || v > 1<<63-1 { // cut short, too long, or not the shortest
		f.bad = true
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) str() []byte {
	n := f.num()
	if n > uint64(len(f.b)) {
		f.bad = true
		return nil
	}
	p := f.b[:n]
	f.b = f.b[n:]
	return p
}

// end says whether the fields were all there, and nothing else.
func (f *fields) end() error {
	if f.bad || len(f.b) > 0 {
		return errors.New("a malformed body")
	}
	return nil
}

// hello opens a stream about a root and returns it with what the State says.
func hello(t *testing.T, h, to host.Host, features uint64, root cid.Cid) (c *second, offered, status, chunks uint64) {
	t.Helper()
	ctx := swaptest.Context(t, time.Minute)
	if err := h.Connect(ctx, swaptest.Info(to)); err != nil {
		t.Fatal(err)
	}
	s, err := h.NewStream(ctx, to.ID(), secondProtocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Reset() })
	_ = s.SetDeadline(time.Now().Add(30 * time.Second))
	c = &second{s: s}
	if err := c.write(frame(nil, 0, str(num(nil, 1, features), root.Bytes()))); err != nil {
		t.Fatal(err)
	}
	typ, body, err := c.next()
	f := fields{b: body}
	version := f.num()
	offered, status, chunks = f.num(), f.num(), f.num()
	if err != nil || typ != 2 || version != 1 || f.end() != nil {
		t.Fatalf("the first frame has type %d, %x, %v", typ, body, err)
	}
	return c, offered, status, chunks
}

// TestSecondImplementationFetches gets a file from a node that gains its chunks while
// it is asked, thanks it, and closes its side in the end.
func TestSecondImplementationFetches(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(51, 21, 700_001) // more than a range, and than two frames
	src, hold := swaptest.NewSource(), swap.NewHolding(len(f.Chunks)).WithSize(f.Bytes())
	for i, b := range f.Data {
		src.Put(b)
		if i%2 == 0 {
			hold.Add(i)
		}
	}
	src.Hold(f.Root, hold)
	ledger := swap.NewLedger(0)
	holder, _ := swaptest.Serve(t, src, swap.ServerConfig{Ledger: ledger, Choker: patient})
	me := swaptest.Host(t)
	c, offered, status, chunks := hello(t, me, holder, 1<<0|1<<1|1<<40, f.Root) // Choke, Vouch, and something unknown
	if offered&3 != 3 || status != 1 || chunks != uint64(len(f.Chunks)) {
		t.Fatalf("State: features %b, status %d, %d chunks", offered, status, chunks)
	}
	_ = c.write(frame(nil, 99, []byte("what nobody knows, and may step over")))
	parts := [2]uint64{0, 500_000} // where the two Wants of a chunk begin
	got := make([][]byte, len(f.Chunks))
	ends := make([]int, len(f.Chunks))
	next := make(map[uint64]uint64) // where the next piece of an answer stands
	ask := func(i uint64) {
		size := uint64(len(f.Data[i]))
		if got[i] != nil {
			return
		}
		got[i] = make([]byte, size)
		for k, off := range parts {
			if off >= size {
				ends[i]++
				continue
			}
			n := size - off
			if k == 0 {
				n = min(n, parts[1])
			}
			id := 2*i + uint64(k)
			next[id] = off
			_ = c.write(frame(nil, 8, num(str(num(nil, id), f.Chunks[i].Cid.Bytes()), off, n)))
		}
	}
	for done := 0; done < len(f.Chunks); {
		typ, body, err := c.next()
		if err != nil {
			t.Fatalf("after %d chunks: %v", done, err)
		}
		b := fields{b: body}
		switch typ {
		case 2: // State: complete
			if b.num(); b.num() == 0 || b.num() != 2 {
				t.Fatalf("State %x", body)
			}
			for i := range f.Chunks {
				ask(uint64(i))
			}
		case 4: // Bitmap
			first := b.num()
			for i := range uint64(8 * len(b.b)) {
				if b.b[i/8]&(1<<(i%8)) != 0 {
					ask(first + i)
				}
			}
		case 6: // Have
			at := uint64(0)
			for first := true; len(b.b) > 0; first = false {
				at += b.num()
				if !first {
					at++
				}
				for n := b.num(); n > 0; n-- {
					ask(at)
					at++
				}
			}
		case 12: // Block
			id, flags := b.num(), b.num()
			i := id / 2
			next[id] += uint64(copy(got[i][next[id]:], b.b))
			if flags&1 == 0 {
				continue
			}
			if ends[i]++; ends[i] < 2 {
				continue
			}
			if sum := sha256.Sum256(got[i]); !bytes.HasSuffix(f.Chunks[i].Cid.Bytes(), sum[:]) {
				t.Fatalf("chunk %d is wrong", i)
			}
			switch done++; done {
			case 8:
				hold.Add(1)
				hold.Add(3)
				hold.Add(5)
			case 13:
				hold.Complete()
			}
		case 1, 3: // Choke, Unchoke
		default:
			t.Fatalf("a frame of type %d", typ)
		}
	}
	// Two Wants whose answers are refusals: a range beyond the block, and what is not there.
	_ = c.write(frame(nil, 8, num(str(num(nil, 1000), f.Chunks[20].Cid.Bytes()), 1_000_000, 5)))
	_ = c.write(frame(nil, 8, num(str(num(nil, 1001), f.Root.Bytes()), 0, 0)))
	reasons := make(map[uint64]uint64)
	for len(reasons) < 2 {
		typ, body, err := c.next()
		b := fields{b: body}
		switch {
		case err != nil:
			t.Fatal(err)
		case typ == 14:
			id := b.num()
			reasons[id] = b.num()
		case typ != 1 && typ != 3:
			t.Fatalf("a frame of type %d", typ)
		}
	}
	if reasons[1000] != 3 || reasons[1001] != 0 {
		t.Errorf("refused for %v", reasons)
	}
	// A receipt.
	signed := str(nil, f.Root.Bytes())
	signed = str(signed, []byte(me.ID()))
	signed = str(signed, []byte(holder.ID()))
	signed = num(signed, uint64(f.Bytes()), uint64(time.Now().UnixMilli()))
	sig, err := me.Peerstore().PrivKey(me.ID()).Sign(append([]byte("/swap/1/vouch\n"), signed...))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.write(frame(nil, 7, str(signed, sig)))
	if err := c.s.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, _, err = c.next()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("in the end: %v", err)
	}
	if v := ledger.Vouches(); v.Taken != 1 {
		t.Errorf("vouches: %+v", v)
	}
}

// TestSecondImplementationServes gives a file to a session: some chunks at first, in a
// bitmap, the others one by one; in pieces that are mixed; it chokes, unchokes, refuses, and
// checks the receipt that it gets.
func TestSecondImplementationServes(t *testing.T) {
	swaptest.Leaks(t)
	f := swaptest.NewContent(52, 20, 600_000)
	me := swaptest.Host(t)
	var thanks sync.Map // bytes, as the receipts say
	me.SetStreamHandler(secondProtocol, func(s network.Stream) {
		if err := serveSecond(&second{s: s}, f, me.ID(), &thanks); err != nil && !errors.Is(err, io.EOF) {
			var reset *network.StreamError
			if !errors.As(err, &reset) && !errors.Is(err, network.ErrReset) {
				t.Error(err)
			}
		}
		_ = s.Reset()
	})
	s := session(t, swaptest.Host(t), f.Root, swap.SessionConfig{})
	s.AddPeer(swaptest.Info(me), "test")
	swaptest.Collect(swaptest.Context(t, time.Minute), t, s, f, swap.Rarest)
	if st := known(s, me.ID()); st.Verified != f.Bytes() {
		t.Errorf("%+v", st)
	}
	// One is sent again when it says 16 KiB more.
	eventually(t, "a receipt for all of it comes", func() bool { n, ok := thanks.Load("bytes"); return ok && n.(uint64) > uint64(f.Bytes())-16<<10 })
}

// serveSecond is a holder, for one stream.
func serveSecond(c *second, f *swaptest.Content, self peer.ID, thanks *sync.Map) error {
	typ, body, err := c.next()
	b := fields{b: body}
	version, features, root := b.num(), b.num(), b.str()
	if err != nil || typ != 0 || b.end() != nil || version < 1 || !bytes.Equal(root, f.Root.Bytes()) {
		return fmt.Errorf("hello of type %d: %x, %w", typ, body, err)
	}
	out := frame(nil, 2, num(nil, 1, 3, 1, uint64(len(f.Chunks)))) // Choke and Vouch; a part
	out = frame(out, 4, append(num(nil, 8), 0x05, 0x08))           // chunks 8, 10 and 19
	out = frame(out, 6, num(nil, 0, 2, 2, 1))                      // 0, 1 and 5
	out = frame(out, 101, []byte("to be stepped over"))
	if err := c.write(out); err != nil {
		return err
	}
	byCid := make(map[string][]byte)
	for i, x := range f.Chunks {
		byCid[string(x.Cid.Bytes())] = f.Data[i]
	}
	type want struct {
		id     uint64
		answer []byte
	}
	var open []want
	refused, asked := false, 0
	for {
		// Answers go out when there are two, or when the other side has nothing more to ask.
		typ, body, err := c.next()
		if err != nil {
			return err
		}
		b := fields{b: body}
		var out []byte
		switch typ {
		case 8: // Want
			id, name, off, n := b.num(), b.str(), b.num(), b.num()
			data := byCid[string(name)]
			if b.end() != nil || n < 1 || n > 1<<20 || off+n > uint64(len(data)) {
				return fmt.Errorf("a Want of %d from %d on, of %x", n, off, name)
			}
			if asked++; asked == 1 {
				out = frame(out, 6, num(nil, 2, 3, 0, 2))    // 2 to 4, and 6 to 7: touching runs are not allowed, 5 was said
				out = frame(out, 6, num(nil, 9, 1, 0, 8))    // 9, and 11 to 18
				out = frame(out, 1, num(nil, 0, 1000, 2000)) // Choke: others come first
				out = frame(out, 3, nil)                     // Unchoke
			}
			if !refused {
				refused = true
				out = frame(out, 14, num(nil, id, 1)) // busy: it asks again
				break
			}
			open = append(open, want{id, data[off : off+n]})
		case 10: // Cancel: ended all the same
			id := b.num()
			for i, w := range open {
				if w.id == id {
					out = frame(out, 14, num(nil, id, 6))
					open = slices.Delete(open, i, i+1)
					break
				}
			}
		case 7: // Vouch
			if features&2 == 0 {
				return errors.New("a Vouch of one that does not offer it")
			}
			all := body
			name, by, about, n, at, sig := b.str(), b.str(), b.str(), b.num(), b.num(), b.str()
			if err := b.end(); err != nil {
				return err
			}
			signed := append([]byte("/swap/1/vouch\n"), all[:len(all)-len(sig)-len(num(nil, uint64(len(sig))))]...)
			id, err := peer.IDFromBytes(by)
			if err != nil {
				return err
			}
			var key crypto.PubKey
			if key, err = id.ExtractPublicKey(); err != nil {
				return err
			}
			ok, err := key.Verify(signed, sig)
			age := time.Since(time.UnixMilli(int64(at)))
			if !ok || err != nil || !bytes.Equal(name, f.Root.Bytes()) || string(about) != string(self) || age > time.Minute || age < -time.Minute {
				return fmt.Errorf("a vouch %x: %w", body, err)
			}
			thanks.Store("bytes", n)
		case 0, 2, 4, 6, 12, 14:
			return fmt.Errorf("a frame of type %d", typ)
		}
		// All that is open goes out, a piece of each in turn.
		for left := true; left; {
			left = false
			for i := range open {
				w := &open[i]
				if w.answer == nil {
					continue
				}
				n := min(len(w.answer), 100_000)
				last := uint64(0)
				if n == len(w.answer) {
					last = 1
				}
				out = frame(out, 12, append(num(nil, w.id, last), w.answer[:n]...))
				if w.answer = w.answer[n:]; last == 1 {
					w.answer = nil
				}
				left = true
			}
		}
		open = nil
		if err := c.write(out); err != nil {
			return err
		}
	}
}
