package swaptest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"ringswap/transfer/swap"
	"ringswap/transfer/swap/wire"
)

// never is for peers that serve to the end.
func never() bool { return false }

// Lying is a host that serves f, with one byte wrong in every answer for which wrong
// says so. Before an answer for which leaves says so it closes the stream; it takes a new one.
func Lying(t testing.TB, f *Content, wrong func(wire.Want) bool, leaves func() bool) host.Host {
	h := Host(t)
	byCid := make(map[cid.Cid][]byte)
	for i, c := range f.Chunks {
		byCid[c.Cid] = f.Data[i]
	}
	Handle(t, h, func(c *Conn, _ wire.Hello) error {
		if err := c.Put(wire.State{Version: wire.Version, Status: wire.StatusComplete}); err != nil {
			return err
		}
		return c.Wants(func(w wire.Want) error {
			if leaves() {
				return errors.New("gone")
			}
			b := byCid[w.Cid]
			if w.Length > 0 {
				b = b[w.Offset : w.Offset+w.Length]
			}
			if wrong(w) {
				b = bytes.Clone(b)
				b[len(b)/2] ^= 1
			}
			return c.PutBlock(w.ID, b)
		})
	})
	return h
}

func clientLiar(t *testing.T, start startClient) {
	f := NewContent(8, 40, 256<<10)
	s := start(t, Host(t), f.Root)
	liar := Lying(t, f, func(wire.Want) bool { return true }, never)
	good, _ := Serve(t, Seed(f), swap.ServerConfig{Up: 4 << 20})
	s.AddPeer(Info(liar), "test")
	s.AddPeer(Info(good), "test")
	Collect(Context(t, time.Minute), t, s, f, swap.Rarest)
	if st := stats(s, liar.ID()); st.Status != swap.PeerBanned || st.Reason == "" || st.Verified != 0 {
		t.Errorf("the liar: %+v", st)
	}
	if st := stats(s, good.ID()); st.Status != swap.PeerConnected || st.Verified != f.Bytes() {
		t.Errorf("the honest peer: %+v", st)
	}
	s.AddPeer(Info(liar), "again")
	if st := stats(s, liar.ID()); st.Status != swap.PeerBanned {
		t.Errorf("the liar was let in again: %+v", st)
	}
}

// clientHalfLiars has two peers that each spoil some ranges, so that bad copies
// have several givers, and an honest one that must not be blamed.
func clientHalfLiars(t *testing.T, start startClient) {
	f := NewContent(9, 30, 1<<20)
	s := start(t, Host(t), f.Root)
	even := Lying(t, f, func(w wire.Want) bool { return w.Offset>>16%2 == 0 }, never)
	odd := Lying(t, f, func(w wire.Want) bool { return w.Offset>>16%2 == 1 || w.Length > 1<<17 }, never)
	good, _ := Serve(t, Seed(f), swap.ServerConfig{Up: 8 << 20})
	for _, h := range []host.Host{even, odd, good} {
		s.AddPeer(Info(h), "test")
	}
	Collect(Context(t, time.Minute), t, s, f, swap.Rarest)
	if st := stats(s, good.ID()); st.Status == swap.PeerBanned {
		t.Errorf("the honest peer: %+v", st)
	}
	if st := stats(s, even.ID()); st.Status != swap.PeerBanned {
		t.Errorf("a liar: %+v", st)
	}
}

// clientBadCompany mixes every kind of broken peer with one good one.
func clientBadCompany(t *testing.T, start startClient) {
	f := NewContent(10, 24, 256<<10)
	s := start(t, Host(t), f.Root)
	banned := make(map[string]peer.ID)
	for name, bad := range broken(f) {
		h := Host(t)
		Handle(t, h, bad)
		s.AddPeer(Info(h), name)
		banned[name] = h.ID()
	}
	good, _ := Serve(t, Seed(f), swap.ServerConfig{Up: 3 << 20})
	s.AddPeer(Info(good), "good")
	Collect(Context(t, time.Minute), t, s, f, swap.Rarest)
	for name, id := range banned {
		switch st := stats(s, id); {
		case st.Verified != 0:
			t.Errorf("%s: %+v", name, st)
		case name[0] != '-' && st.Status != swap.PeerBanned:
			t.Errorf("%s: %+v", name, st)
		}
	}
	if st := stats(s, good.ID()); st.Verified != f.Bytes() {
		t.Errorf("the good one: %+v", st)
	}
}

// broken are peers that break the protocol. Those with a dash are useless, but
// break no rule.
func broken(f *Content) map[string]func(c *Conn, _ wire.Hello) error {
	complete := wire.State{Version: wire.Version, Status: wire.StatusComplete}
	partial := wire.State{Version: wire.Version, Status: wire.StatusPartial, Chunks: uint64(len(f.Chunks))}
	drain := func(c *Conn) error { return c.Wants(func(wire.Want) error { return nil }) }
	says := func(b []byte) func(c *Conn, _ wire.Hello) error {
		return func(c *Conn, _ wire.Hello) error {
			if _, err := c.S.Write(b); err != nil {
				return err
			}
			return drain(c)
		}
	}
	answers := func(f func(c *Conn, w wire.Want) error) func(c *Conn, _ wire.Hello) error {
		return func(c *Conn, _ wire.Hello) error {
			if err := c.Put(complete); err != nil {
				return err
			}
			return c.Wants(func(w wire.Want) error { return f(c, w) })
		}
	}
	piece := func(id uint64, n int, last bool) []byte {
		return append(wire.Block{ID: id, Len: n, Last: last}.AppendHead(nil), make([]byte, n)...)
	}
	return map[string]func(c *Conn, _ wire.Hello) error{
		"garbage":         says(bytes.Repeat([]byte{0xff, 0xfe, 3}, 1000)),
		"no state":        says(piece(1, 5, true)),
		"version":         says(wire.State{Version: 2}.Append(nil)),
		"mandatory":       says(wire.AppendFrame(complete.Append(nil), 2000, nil)),
		"long frame":      says(append(complete.Append(nil), byte(wire.TypeHave), 0xff, 0xff, 0xff, 1)),
		"unasked":         says(append(complete.Append(nil), piece(1<<40, 5, true)...)),
		"unasked refusal": says(wire.Refuse{ID: 1 << 40}.Append(complete.Append(nil))),
		"bits beyond":     says(wire.Bitmap{First: 0, Bits: []byte{0, 0, 0, 1}}.Append(partial.Append(nil))),
		"bitmap too far":  says(wire.Bitmap{First: 1 << 20, Bits: []byte{1}}.Append(partial.Append(nil))),
		"have beyond":     says(wire.Have{Runs: []wire.Run{{First: 20, Count: 5}}}.Append(partial.Append(nil))),
		"have when full":  says(wire.Have{Runs: []wire.Run{{First: 1, Count: 1}}}.Append(complete.Append(nil))),
		"too much": answers(func(c *Conn, w wire.Want) error {
			_, err := c.S.Write(piece(w.ID, int(w.Length)+1, true))
			return err
		}),
		"too little": answers(func(c *Conn, w wire.Want) error {
			_, err := c.S.Write(piece(w.ID, int(w.Length)-1, true))
			return err
		}),
		"endless": answers(func(c *Conn, w wire.Want) error {
			for {
				if _, err := c.S.Write(piece(w.ID, 1000, false)); err != nil {
					return err
				}
			}
		}),
		"twice": answers(func(c *Conn, w wire.Want) error {
			b := piece(w.ID, int(w.Length), true)
			_, err := c.S.Write(append(b, b...))
			return err
		}),
		"- cut off": answers(func(c *Conn, w wire.Want) error {
			_, _ = c.S.Write(piece(w.ID, int(w.Length), true)[:100])
			return errors.New("gone")
		}),
		"- refuses": answers(func(c *Conn, w wire.Want) error {
			return c.Put(wire.Refuse{ID: w.ID, Reason: wire.Reason(w.ID % 20)})
		}),
		"- unknown root": says(wire.State{Version: wire.Version}.Append(nil)),
		"- other count":  says(wire.Bitmap{Bits: []byte{255}}.Append(wire.State{Version: 1, Status: wire.StatusPartial, Chunks: 9}.Append(nil))),
		"- closes":       func(*Conn, wire.Hello) error { return nil },
		"- never says":   func(c *Conn, _ wire.Hello) error { return drain(c) },
		"- never serves": says(complete.Append(nil)),
		"- states":       says(bytes.Repeat(complete.Append(nil), 20_000)),
		"- optional":     says(bytes.Repeat(wire.AppendFrame(nil, wire.TypePeers, make([]byte, 100)), 1)),
	}
}
