package swaptest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/wire"
)

// Server is the suite for holders. start serves src on a host of its own, with
// timeouts of a second or two, and says where.
func Server(t *testing.T, start func(t testing.TB, src swap.Source) peer.AddrInfo) {
	for name, f := range map[string]func(t *testing.T, start startServer){
		"complete":   serverComplete,
		"unknown":    serverUnknown,
		"partial":    serverPartial,
		"refusals":   serverRefusals,
		"cancel":     serverCancel,
		"pipelined":  serverPipelined,
		"half close": serverHalfClose,
		"optional":   serverOptional,
		"violations": serverViolations,
		"flood":      serverFlood,
		"slow":       serverSlowReaders,
		"silent":     serverSilent,
	} {
		t.Run(name, func(t *testing.T) {
			Leaks(t)
			f(t, start)
		})
	}
}

type startServer = func(t testing.TB, src swap.Source) peer.AddrInfo

func serverComplete(t *testing.T, start startServer) {
	f := NewContent(1, 3, 1<<20)
	c := Dial(t, Host(t), start(t, Seed(f)))
	if s := c.Hello(f.Root); s.Status != wire.StatusComplete || s.Version != wire.Version || s.Chunks != 3 {
		t.Errorf("%+v", s)
	}
	c.Send(
		wire.Want{ID: 1, Cid: f.Chunks[0].Cid},
		wire.Want{ID: 2, Cid: f.Chunks[1].Cid, Length: 1 << 20},
		wire.Want{ID: 3, Cid: f.Chunks[1].Cid, Offset: 1<<20 - 1, Length: 1},
		wire.Want{ID: 4, Cid: f.Chunks[1].Cid, Offset: 1000, Length: 300_001},
		wire.Want{ID: 1<<63 - 1, Cid: f.Chunks[2].Cid},
	)
	got := c.Answers(5)
	for id, want := range map[uint64][]byte{
		1: f.Data[0], 2: f.Data[1], 3: f.Data[1][1<<20-1:], 4: f.Data[1][1000:301_001], 1<<63 - 1: f.Data[2],
	} {
		if !bytes.Equal(got[id].Data, want) {
			t.Errorf("want %d: %d bytes, refused %v (%s)", id, len(got[id].Data), got[id].Refused, got[id].Reason)
		}
	}
}

func serverUnknown(t *testing.T, start startServer) {
	f := NewContent(1, 1, 1000)
	c := Dial(t, Host(t), start(t, NewSource()))
	if s := c.Hello(f.Root); s.Status != wire.StatusUnknown {
		t.Errorf("%+v", s)
	}
	c.Send(wire.Want{ID: 1, Cid: f.Chunks[0].Cid})
	if a := c.Answers(1)[1]; !a.Refused || a.Reason != wire.ReasonNotHave {
		t.Errorf("%+v", a)
	}
}

func serverPartial(t *testing.T, start startServer) {
	f := NewContent(1, 700_000, 1)
	src, h := NewSource(), swap.NewHolding(len(f.Chunks))
	src.Hold(f.Root, h)
	to := start(t, src)
	c := Dial(t, Host(t), to)
	if s := c.Hello(f.Root); s.Status != wire.StatusUnknown {
		t.Errorf("with no chunk: %+v", s)
	}
	h.Add(5)
	if s := c.State(); s.Status != wire.StatusPartial || s.Chunks != 700_000 {
		t.Errorf("with the first chunk: %+v", s)
	}
	have := make(map[uint64]bool)
	c.news(have, 5)
	for _, i := range []int{699_999, 6, 7, 8, 100} {
		h.Add(i)
	}
	c.news(have, 6, 7, 8, 100, 699_999)

	late := Dial(t, Host(t), to) // learns the same from bitmaps
	if s := late.Hello(f.Root); s.Status != wire.StatusPartial {
		t.Errorf("%+v", s)
	}
	late.news(make(map[uint64]bool), 5, 6, 7, 8, 100, 699_999)

	h.Complete()
	if s := c.State(); s.Status != wire.StatusComplete {
		t.Errorf("when complete: %+v", s)
	}
	h.Withdraw()
	if s := late.Ultimately(wire.StatusComplete, wire.StatusUnknown); s.Status != wire.StatusUnknown {
		t.Errorf("when withdrawn: %+v", s)
	}
}

// Ultimately passes over States of status pass and returns the next one.
func (c *Conn) Ultimately(pass, want wire.Status) wire.State {
	c.T.Helper()
	for {
		if s := c.State(); s.Status != pass || s.Status == want {
			return s
		}
	}
}

// news reads Bitmap and Have frames until all of want are named, and fails if
// anything else is.
func (c *Conn) news(have map[uint64]bool, want ...uint64) {
	c.T.Helper()
	for _, i := range want {
		have[i] = false
	}
	for left := len(want); left > 0; {
		h, err := c.R.Next()
		if err != nil {
			c.T.Fatalf("%d chunks not named: %v", left, err)
		}
		b, err := c.R.Body(h)
		if err != nil {
			c.T.Fatal(err)
		}
		for _, i := range named(c.T, h.Type, b) {
			if was, known := have[i]; !known {
				c.T.Fatalf("chunk %d is named, and is not there", i)
			} else if !was {
				have[i] = true
				left--
			}
		}
	}
}

func named(t testing.TB, typ wire.Type, b []byte) (all []uint64) {
	t.Helper()
	switch typ {
	case wire.TypeBitmap:
		m, err := wire.ParseBitmap(b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 * len(m.Bits) {
			if m.Bits[i/8]&(1<<(i%8)) != 0 {
				all = append(all, m.First+uint64(i))
			}
		}
	case wire.TypeHave:
		m, err := wire.ParseHave(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range m.Runs {
			for i := range r.Count {
				all = append(all, r.First+i)
			}
		}
	default:
		t.Fatalf("frame of type %d", typ)
	}
	return all
}

func serverRefusals(t *testing.T, start startServer) {
	f := NewContent(1, 6, 1000)
	src := Seed(f)
	large := make([]byte, wire.MaxBlock+1)
	src.Put(large)
	src.Fail(f.Chunks[1].Cid, fmt.Errorf("file 7: %w", swap.ErrChanged))
	src.Fail(f.Chunks[2].Cid, fmt.Errorf("the disk is on fire"))
	c := Dial(t, Host(t), start(t, src))
	c.Hello(f.Root)
	c.Send(
		wire.Want{ID: 0, Cid: f.Chunks[0].Cid, Offset: 0, Length: 1001},
		wire.Want{ID: 1, Cid: f.Chunks[1].Cid},
		wire.Want{ID: 2, Cid: f.Chunks[2].Cid},
		wire.Want{ID: 3, Cid: RawCid([]byte("nowhere"))},
		wire.Want{ID: 4, Cid: f.Chunks[3].Cid, Offset: 1000, Length: 1},
		wire.Want{ID: 5, Cid: f.Chunks[3].Cid, Offset: wire.MaxBlock - 1, Length: 1},
		wire.Want{ID: 6, Cid: RawCid(large)},
		wire.Want{ID: 7, Cid: f.Chunks[4].Cid},
	)
	got := c.Answers(8)
	for id, want := range map[uint64]wire.Reason{
		0: wire.ReasonRange, 1: wire.ReasonChanged, 2: wire.ReasonFailed, 3: wire.ReasonNotHave,
		4: wire.ReasonRange, 5: wire.ReasonRange, 6: wire.ReasonTooLarge,
	} {
		if a := got[id]; !a.Refused || a.Reason != want {
			t.Errorf("want %d: %+v, not %q", id, a, want)
		}
	}
	if !bytes.Equal(got[7].Data, f.Data[4]) {
		t.Error("a good want after bad ones was not served")
	}
}

func serverCancel(t *testing.T, start startServer) {
	f := NewContent(1, 3, 1<<20)
	c := Dial(t, Host(t), start(t, Seed(f)))
	c.Hello(f.Root)
	const n = 60
	var b []byte
	for i := range uint64(n) {
		b = wire.Want{ID: i, Cid: f.Chunks[i%2].Cid, Length: 1 << 20}.Append(b)
	}
	for i := range uint64(n) {
		b = wire.Cancel{ID: i}.Append(b)
	}
	b = wire.Cancel{ID: 4711}.Append(b) // not open: ignored
	b = wire.Want{ID: n, Cid: f.Chunks[2].Cid}.Append(b)
	c.Write(b)
	got, canceled := c.Answers(n+1), 0
	for i := range uint64(n) {
		switch a := got[i]; {
		case a.Refused && a.Reason == wire.ReasonCanceled:
			canceled++
		case a.Refused || !bytes.Equal(a.Data, f.Data[i%2]):
			t.Errorf("want %d: refused %v (%s), %d bytes", i, a.Refused, a.Reason, len(a.Data))
		}
	}
	if canceled < n/2 {
		t.Errorf("of %d wants that were cancelled at once, %d were served", n, n-canceled)
	}
	if !bytes.Equal(got[n].Data, f.Data[2]) {
		t.Error("a want after cancelled ones was not served")
	}
}

// serverPipelined asks for many small blocks and overlapping ranges at once.
func serverPipelined(t *testing.T, start startServer) {
	f := NewContent(1, 250, 4000)
	c := Dial(t, Host(t), start(t, Seed(f)))
	c.Hello(f.Root)
	for round := range 10 {
		var b []byte
		for i := range f.Chunks {
			off := uint64((round * 7) % 1000)
			b = wire.Want{ID: uint64(i), Cid: f.Chunks[i].Cid, Offset: off, Length: 100}.Append(b)
		}
		c.Write(b)
		for id, a := range c.Answers(len(f.Chunks)) {
			off := (round * 7) % 1000
			if !bytes.Equal(a.Data, f.Data[id][off:off+100]) {
				t.Fatalf("round %d, want %d: %+v", round, id, a)
			}
		}
	}
}

func serverHalfClose(t *testing.T, start startServer) {
	f := NewContent(1, 3, 1<<20)
	c := Dial(t, Host(t), start(t, Seed(f)))
	c.Send(
		wire.Hello{Version: wire.Version, Root: f.Root},
		wire.Want{ID: 1, Cid: f.Chunks[0].Cid}, wire.Want{ID: 2, Cid: f.Chunks[1].Cid},
	)
	if err := c.S.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.State()
	if got := c.Answers(2); !bytes.Equal(got[1].Data, f.Data[0]) || !bytes.Equal(got[2].Data, f.Data[1]) {
		t.Error("wrong answers")
	}
	if code := c.Ends(); code != 0 {
		t.Errorf("ended with code %#x", code)
	}
}

func serverOptional(t *testing.T, start startServer) {
	f := NewContent(1, 1, 1000)
	c := Dial(t, Host(t), start(t, Seed(f)))
	b := wire.Hello{Version: 99, Features: 0xffff, Root: f.Root}.Append(nil)
	b = wire.AppendFrame(b, wire.TypePeers, make([]byte, 60_000))
	b = wire.AppendFrame(b, 1_000_001, nil)
	b = wire.Want{ID: 1, Cid: f.Chunks[0].Cid}.Append(b)
	c.Write(b)
	if s := c.State(); s.Version != wire.Version || s.Features&wire.FeaturePeers != 0 {
		t.Errorf("%+v", s)
	}
	if a := c.Answers(1)[1]; !bytes.Equal(a.Data, f.Data[0]) {
		t.Errorf("%+v", a)
	}
}

// negative is an offset of -1, as one who writes signed numbers would put it, and a
// length of 1.
var negative = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1}

// wantHead is the body of a Want up to its offset.
func wantHead(c cid.Cid) []byte {
	b := append([]byte{1}, byte(c.ByteLen()))
	return append(b, c.Bytes()...)
}

func serverViolations(t *testing.T, start startServer) {
	f := NewContent(1, 1, 1<<20)
	to, h := start(t, Seed(f)), Host(t)
	hello := wire.Hello{Version: wire.Version, Root: f.Root}.Append(nil)
	want := wire.Want{ID: 1, Cid: f.Chunks[0].Cid}.Append(nil)
	after := func(b []byte) []byte { return append(bytes.Clone(hello), b...) }
	for name, b := range map[string][]byte{
		"no hello":          want,
		"garbage":           bytes.Repeat([]byte{0xde, 0xad}, 500),
		"hello of nothing":  wire.AppendFrame(nil, wire.TypeHello, nil),
		"hello twice":       after(hello),
		"unknown mandatory": after(wire.AppendFrame(nil, 4242, nil)),
		"frame too long":    after([]byte{byte(wire.TypeWant), 0xff, 0xff, 0xff, 0x7f}),
		"want too long":     after(wire.AppendFrame(nil, wire.TypeWant, make([]byte, 5000))),
		"want malformed":    after(wire.AppendFrame(nil, wire.TypeWant, []byte{1, 2, 3})),
		"want of 2^63":      after(wire.Want{ID: 1, Cid: f.Chunks[0].Cid, Offset: 1<<63 - 1, Length: 5}.Append(nil)),
		"want of -1":        after(wire.AppendFrame(nil, wire.TypeWant, append(bytes.Clone(wantHead(f.Chunks[0].Cid)), negative...))),
		"same id twice":     after(append(bytes.Clone(want), want...)),
		"a holder's frame":  after(wire.Refuse{ID: 1}.Append(nil)),
		"data":              after(append(wire.Block{ID: 1, Len: 3, Last: true}.AppendHead(nil), "abc"...)),
	} {
		c := Dial(t, h, to)
		c.Write(b)
		if code := c.Ends(); code != network.StreamProtocolViolation {
			t.Errorf("%s: ended with code %#x", name, code)
		}
	}
	for _, b := range [][]byte{hello[:10], after(want[:5]), nil} { // ends within a frame, or says nothing
		c := Dial(t, h, to)
		c.Write(b)
		_ = c.S.CloseWrite()
		c.Ends()
	}
	c := Dial(t, h, to)
	c.Hello(f.Root)
	c.Send(wire.Want{ID: 1, Cid: f.Chunks[0].Cid})
	if a := c.Answers(1)[1]; !bytes.Equal(a.Data, f.Data[0]) {
		t.Error("after all that, an honest peer is not served")
	}
}
