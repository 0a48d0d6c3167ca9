package kademlia

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	ma "github.com/multiformats/go-multiaddr"

	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

func contact(i int, addrs ...string) *overlay.Contact {
	c := overlay.Contact{Peer: overlaytest.PeerID(i)}
	c.ID = overlay.PeerKey(c.Peer).ID()
	for _, a := range addrs {
		c.Addrs = append(c.Addrs, ma.StringCast(a))
	}
	return &c
}

func randomMessage(rng *rand.Rand) *Message {
	bytesOf := func(n int) []byte {
		b := make([]byte, rng.IntN(n+1))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if len(b) == 0 {
			return nil
		}
		return b
	}
	contacts := func(n int) (list []*overlay.Contact) {
		for range rng.IntN(n + 1) {
			var addrs []string
			for range rng.IntN(4) {
				addrs = append(addrs, []string{
					"/ip4/1.2.3.4/tcp/4001", "/ip6/2001:db9::1/udp/4001/quic-v1", "/dns4/example.com/tcp/443",
					"/ip4/5.6.7.8/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit",
				}[rng.IntN(4)])
			}
			list = append(list, contact(rng.Int(), addrs...))
		}
		return list
	}
	m := &Message{Type: MessageType(rng.IntN(6)), Key: bytesOf(80), Closer: contacts(20), Providers: contacts(30)}
	if rng.IntN(2) == 0 {
		m.Record = &Record{Key: bytesOf(40), Value: bytesOf(300), TimeReceived: "2026-01-01T00:00:00Z"}
	}
	return m
}

func TestCodecRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		m := randomMessage(rng)
		b, err := Codec{}.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Codec{}.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(out, overlay.Message(m)) {
			t.Fatalf("sent %+v\ngot  %+v", m, out)
		}
	}
}

// TestCodecGolden compares with bytes put together by hand from the public
// protocol's dht.proto. integration/kaddht compares with what another
// implementation writes.
func TestCodecGolden(t *testing.T) {
	peerHex := "00080000000000000001"
	for _, g := range []struct {
		name, hex string
		msg       *Message
	}{
		{"find node", "0804" + "120a" + peerHex + "5001", &Message{Type: FindNode, Key: []byte(overlaytest.PeerID(1))}},
		{
			"put value", "120" + "3" + "2f7061" + "1a0a" + "0a032f7061" + "1203010203" + "5001",
			&Message{Type: PutValue, Key: []byte("/pa"), Record: &Record{Key: []byte("/pa"), Value: []byte{1, 2, 3}}},
		},
		{
			"closer", "0804" + "4216" + "0a0a" + peerHex + "1208" + "0401020304060fa1" + "5001",
			&Message{Type: FindNode, Closer: []*overlay.Contact{contact(1, "/ip4/1.2.3.4/tcp/4001")}},
		},
	} {
		want, err := hex.DecodeString(g.hex)
		if err != nil {
			t.Fatal(g.name, err)
		}
		got, err := Codec{}.Encode(g.msg)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: wrote %x, want %x (%v)", g.name, got, want, err)
		}
		back, err := Codec{}.Decode(want)
		if err != nil || !reflect.DeepEqual(back, overlay.Message(g.msg)) {
			t.Errorf("%s: read %+v, want %+v (%v)", g.name, back, g.msg, err)
		}
	}
}

func TestCodecRefuses(t *testing.T) {
	for name, h := range map[string]string{
		"cut tag":             "08",
		"cut length":          "12ff",
		"length beyond end":   "1205aa",
		"type 6":              "0806",
		"type as bytes":       "0a0104",
		"key as varint":       "1001",
		"contact as varint":   "4001",
		"damaged contact":     "42030affff",
		"contact ID varint":   "42020801",
		"record as varint":    "1801",
		"record key varint":   "1a020801",
		"varint of 11 bytes":  "08ffffffffffffffffffff01",
		"group end alone":     "0c",
		"field number 0":      "0001",
		"record time no utf8": "1a032a01ff",
	} {
		b, err := hex.DecodeString(h)
		if err != nil {
			t.Fatal(name, err)
		}
		if m, err := (Codec{}).Decode(b); !errors.Is(err, overlay.ErrBadMessage) {
			t.Errorf("%s: got %+v, %v; want ErrBadMessage", name, m, err)
		}
	}
	for name, m := range map[string]*Message{
		"key":   {Type: FindNode, Key: make([]byte, MaxKey+1)},
		"value": {Type: PutValue, Record: &Record{Value: make([]byte, MaxValue+1)}},
	} {
		b, err := Codec{}.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (Codec{}).Decode(b); !errors.Is(err, overlay.ErrBadMessage) {
			t.Errorf("too long a %s: %v", name, err)
		}
	}
	if _, err := (Codec{}).Decode(make([]byte, MaxMessage+1)); !errors.Is(err, overlay.ErrBadMessage) {
		t.Errorf("too long a message: %v", err)
	}
}

// TestCodecBounds: what a count allows too much of is dropped, and a reply never
// grows beyond the longest message.
func TestCodecBounds(t *testing.T) {
	many := &Message{Type: GetProviders, Key: []byte("k")}
	fat := contact(7)
	for i := range 200 {
		fat.Addrs = append(fat.Addrs, ma.StringCast("/dns4/"+string(bytes.Repeat([]byte{'a'}, 200))+".example/tcp/"+string(rune('1'+i%9))))
	}
	for i := range 5000 {
		many.Closer = append(many.Closer, contact(i))
		many.Providers = append(many.Providers, fat)
	}
	many.Closer = many.Closer[:100]
	b, err := Codec{}.Encode(many)
	if err != nil || len(b) > MaxMessage {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	out, err := Codec{}.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	got := out.(*Message)
	if len(got.Closer) != MaxCloser || len(got.Providers) == 0 || len(got.Providers) > MaxProviders {
		t.Errorf("%d closer, %d providers", len(got.Closer), len(got.Providers))
	}
	if n := len(got.Providers[0].Addrs); n == 0 || n > MaxAddrs {
		t.Errorf("%d addresses", n)
	}
}

func FuzzDecode(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		b, err := Codec{}.Encode(randomMessage(rng))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Codec{}.Decode(b)
		if err != nil {
			if !errors.Is(err, overlay.ErrBadMessage) {
				t.Fatal(err)
			}
			return
		}
		// What was understood can be said again, and means the same.
		again, err := Codec{}.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		m2, err := Codec{}.Decode(again)
		if err != nil || !reflect.DeepEqual(m, m2) {
			t.Fatalf("%+v\n%+v\n%v", m, m2, err)
		}
	})
}
