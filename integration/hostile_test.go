package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	varint "encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/encoding/protowire"
)

// stranger is a libp2p host that speaks Chord as badly as a test likes. What it
// sends is made here, from docs/wire.md, and by nothing of the house.
type stranger struct {
	t      *testing.T
	host   host.Host
	victim peer.AddrInfo
	proto  protocol.ID
}

// newStranger connects to the victim. answer, unless nil, makes it a server of the
// protocol, which answers requests of a type so.
func newStranger(t *testing.T, victim *daemon, answer func(typ uint64) []byte, opts ...libp2p.Option) *stranger {
	t.Helper()
	h, err := libp2p.New(append(opts, libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	info, err := peer.AddrInfoFromString(victim.Addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	s := &stranger{t: t, host: h, victim: *info, proto: protocol.ID("/" + victim.w.network + "/chord/1.0.0")}
	if answer != nil {
		h.SetStreamHandler(s.proto, func(stream network.Stream) {
			defer stream.Close()
			for r := bufio.NewReader(stream); ; {
				n, err := varint.ReadUvarint(r)
				if err != nil || n > 1<<20 {
					return
				}
				msg := make([]byte, n)
				if _, err := io.ReadFull(r, msg); err != nil {
					return
				}
				_, _, k := protowire.ConsumeTag(msg)
				typ, _ := protowire.ConsumeVarint(msg[max(0, k):])
				if _, err := stream.Write(frame(answer(typ))); err != nil {
					return
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := h.Connect(ctx, s.victim); err != nil {
		t.Fatal(err)
	}
	return s
}

func frame(msg []byte) []byte { return append(varint.AppendUvarint(nil, uint64(len(msg))), msg...) }

// number, blob and typed append fields; a message begins with its type.
func number(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func blob(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func typed(typ uint64) []byte { return number(nil, 1, typ) }

// contact is a Contact of the wire.
func contact(id peer.ID, addr string) []byte {
	return blob(blob(nil, 1, []byte(id)), 2, ma.StringCast(addr).Bytes())
}

// open opens a stream.
func (s *stranger) open() network.Stream {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	stream, err := s.host.NewStream(ctx, s.victim.ID, s.proto)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = stream.Reset() })
	return stream
}

// resets sends bytes on a stream of their own, and expects it to be reset without
// an answer.
func (s *stranger) resets(what string, send []byte, andClose bool) {
	s.t.Helper()
	stream := s.open()
	_, _ = stream.Write(send)
	if andClose {
		_ = stream.CloseWrite()
	}
	_ = stream.SetReadDeadline(time.Now().Add(30 * time.Second))
	answer, err := io.ReadAll(stream)
	var reset *network.StreamError
	if len(answer) > 0 || !errors.As(err, &reset) || !reset.Remote {
		s.t.Errorf("%s: answered with %d bytes and %v, want a reset", what, len(answer), err)
	}
}

// refused is what the daemon counts.
func (d *daemon) refused() map[string]int {
	d.w.t.Helper()
	var status struct{ Refused map[string]int }
	d.do(&status, "status")
	return status.Refused
}

// A real node is sent garbage, and what is too long, too short, too slow, too much,
// forged or of the future: all of that is refused and counted by its reason,
// nothing is believed, and the node goes on serving others.
func TestHostileStrangers(t *testing.T) {
	w := newChordWorld(t)
	all := w.group("n", 4)
	w.oneRing(time.Minute, all...)
	victim := all[1]
	path := w.file("file", "hostile", 2<<20)
	var shared shared
	victim.do(&shared, "share", path)
	before, _ := resident(victim.cmd.Process.Pid)
	s := newStranger(t, victim, nil)

	slow := s.open() // it takes the longest to be noticed, so it is the first
	if _, err := slow.Write([]byte{50, 8, 1}); err != nil {
		t.Fatal(err)
	}
	addr := "/ip4/127.0.0.1/tcp/1"
	other := peer.ID(all[2].decoded())
	for _, c := range []struct {
		what, reason string
		send         []byte
		close        bool
	}{
		{"no length", "broken framing", bytes.Repeat([]byte{0xff}, 64), false},
		{"a length with a needless byte", "broken framing", []byte{0x80, 0, 1, 2}, false},
		{"a gigabyte", "broken framing", varint.AppendUvarint(nil, 1<<30), false},
		{"cut short", "broken framing", []byte{100, 1, 2, 3}, true},
		{"600 KB", "out of bounds", frame(blob(typed(2), 2, make([]byte, 600_000))), false},
		{"garbage", "unknown message", frame([]byte("GET / HTTP/1.1\r\n\r\n")), false},
		{"a message of the future", "unknown message", frame(typed(99)), false},
		{"a field of the future", "unknown message", frame(number(typed(1), 60, 1)), false},
		{"an answer", "unknown message", frame(typed(1 | 128)), false},
		{"a field cut short", "out of bounds", frame([]byte{8, 2, 18, 200, 1, 'x'}), false},
		{"a field twice", "out of bounds", frame(number(number(blob(typed(2), 2, []byte("key")), 3, 8), 3, 8)), false},
		{"65 nodes wanted", "out of bounds", frame(number(blob(typed(2), 2, []byte("key")), 3, 65)), false},
		{"no peer ID", "forged identity", frame(blob(blob(typed(8), 2, []byte("key")), 10, blob(nil, 1, []byte("me")))), false},
		{"a record in the name of another", "forged identity", frame(blob(blob(typed(8), 2, []byte("key")), 10, contact(other, addr))), false},
		{"a notification by a client", "not in the ring", frame(typed(4)), false},
	} {
		was := victim.refused()
		s.resets(c.what, c.send, c.close)
		if now := victim.refused(); now[c.reason] <= was[c.reason] {
			t.Errorf("%s: not counted as %q: %v, then %v", c.what, c.reason, was, now)
		}
	}
	s.floods()
	s.crowds()
	if _, err := slow.Read(make([]byte, 1)); err == nil {
		t.Error("half a message was answered")
	}
	for _, reason := range []string{"too slow", "too many streams", "too many requests"} {
		if now := victim.refused(); now[reason] == 0 {
			t.Errorf("nothing is counted as %q: %v", reason, now)
		}
	}
	victim.believesNobody(all)
	all[3].gets(shared.Cid, path)
	w.oneRing(time.Minute, all...)
	if after, err := resident(victim.cmd.Process.Pid); err == nil && after-before > 64<<20 {
		t.Errorf("the node grew from %d to %d MiB", before>>20, after>>20)
	}
	t.Logf("refused: %v", victim.refused())
}

// floods sends more requests than one peer may.
func (s *stranger) floods() {
	s.t.Helper()
	many := bytes.Repeat(frame(typed(1)), 5000)
	stream := s.open()
	go func() { _, _ = stream.Write(many) }()
	_ = stream.SetReadDeadline(time.Now().Add(30 * time.Second))
	answers, err := io.ReadAll(stream)
	var reset *network.StreamError
	if !errors.As(err, &reset) || len(answers) == 0 {
		s.t.Errorf("a flood was answered with %d bytes and %v", len(answers), err)
	}
}

// crowds opens more streams than one peer may have.
func (s *stranger) crowds() {
	s.t.Helper()
	for range 16 {
		stream := s.open()
		if _, err := stream.Write([]byte{50, 8}); err != nil {
			return
		}
	}
}

// believesNobody fails the test if the daemon names anyone but these.
func (d *daemon) believesNobody(but []*daemon) {
	d.w.t.Helper()
	v, err := d.ring()
	if err != nil {
		d.w.t.Fatal(err)
	}
	for _, s := range v.Successors {
		if len(name(but, s.ID)) > 3 {
			d.w.t.Errorf("it took %s for a successor", s.ID)
		}
	}
}

// decoded are the bytes of the daemon's peer ID.
func (d *daemon) decoded() string {
	id, err := peer.Decode(d.ID)
	if err != nil {
		d.w.t.Fatal(err)
	}
	return string(id)
}

// A node that is in the protocol and lies about the ring: lists out of order, the
// same node twice, others in the place of the asker, none of which is there. It is
// asked, since it is there, and never believed.
func TestLyingNeighbours(t *testing.T) {
	w := newChordWorld(t)
	all := w.group("n", 4)
	order := w.oneRing(time.Minute, all...)
	victim := all[2]
	var nodes [][]byte
	for i := range 6 {
		h, err := libp2p.New(libp2p.NoListenAddrs)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, contact(h.ID(), fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", i+1)))
		_ = h.Close()
	}
	lies := func(typ uint64) []byte {
		msg := typed(typ | 128)
		switch typ {
		case 2: // FIND
			for _, n := range [][]byte{nodes[0], nodes[1], nodes[0]} {
				msg = blob(msg, 7, n)
			}
		case 3: // NEIGHBOURS
			msg = number(msg, 5, 1)
			msg = blob(msg, 6, nodes[2])
			for _, n := range [][]byte{nodes[3], nodes[4], nodes[5], nodes[3]} {
				msg = blob(msg, 7, n)
			}
		}
		return msg
	}
	// It stands right after the victim, and says so until it is asked.
	next := order[(slices.Index(order, victim)+1)%len(order)]
	s := newStranger(t, victim, lies, libp2p.Identity(identityBetween(t, victim.Place, next.Place)))
	waitFor(t, "the lies to be counted", func() bool {
		stream := s.open()
		defer stream.Reset()
		_, _ = stream.Write(frame(number(typed(1), 17, 1)))
		_ = stream.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = stream.Read(make([]byte, 8))
		return victim.refused()["nodes out of order"] > 0
	})
	w.oneRing(time.Minute, all...)
	victim.believesNobody(all)
	t.Logf("refused: %v", victim.refused())
}

// identityBetween is a key whose place on the ring is between two others.
func identityBetween(t *testing.T, after, before string) crypto.PrivKey {
	t.Helper()
	for {
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		id, err := peer.IDFromPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		at := placeOf(t, id.String())
		if after < at && at < before || before < after && (at > after || at < before) {
			return key
		}
	}
}
