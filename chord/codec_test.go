package chord

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/encoding/protowire"

	"ringswap/overlay"
	"ringswap/overlay/overlaytest"
)

// sampler makes random messages that keep to the bounds.
type sampler struct{ *rand.Rand }

func (r sampler) blob(most int) []byte {
	b := make([]byte, 1+r.IntN(most))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (r sampler) contact() *overlay.Contact {
	c := overlay.NewContact(overlaytest.PeerID(r.Int()))
	for range r.IntN(4) {
		c.Addrs = append(c.Addrs, ma.StringCast([]string{
			"/ip4/1.2.3.4/tcp/4001", "/ip6/2001:db9::1/udp/4001/quic-v1", "/dns4/example.com/tcp/443",
			"/ip4/5.6.7.8/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit",
		}[r.IntN(4)]))
	}
	return &c
}

func (r sampler) maybe() *overlay.Contact {
	if r.IntN(2) == 0 {
		return nil
	}
	return r.contact()
}

func listOf[T any](r sampler, most int, one func() T) (list []T) {
	for range r.IntN(most + 1) {
		list = append(list, one())
	}
	return list
}

func (r sampler) contacts() []*overlay.Contact { return listOf(r, 12, r.contact) }

func (r sampler) trace() []Hop {
	return listOf(r, 8, func() Hop {
		return Hop{Node: r.contact(), Took: time.Duration(r.IntN(5e6)) * time.Microsecond, Silent: r.IntN(3)}
	})
}

func (r sampler) provider() ProviderRecord {
	return ProviderRecord{Key: r.place(), Provider: r.contact(), Age: time.Duration(r.IntN(200_000)) * time.Second}
}

func (r sampler) value() ValueRecord {
	return ValueRecord{Key: r.blob(60), Value: r.blob(300), Age: time.Duration(r.IntN(200_000)) * time.Second}
}

func (r sampler) place() (id overlay.ID) {
	copy(id[:], r.blob(overlay.IDBytes))
	return id
}

// find asks for a place of the ring.
func (r sampler) find() Message {
	at := r.place()
	return &FindRequest{Key: at[:], Point: true, N: 1}
}

// all has one message of every type.
func (r sampler) all() []Message {
	v, w := r.value(), r.value()
	answer := &GetValueAnswer{Value: &w}
	if r.IntN(2) == 0 {
		answer.Value = nil
	}
	return []Message{
		&PingRequest{Changed: r.IntN(2) == 0}, &PingAnswer{},
		r.find(),
		&FindRequest{Key: r.blob(MaxKey), N: 1 + r.IntN(MaxContacts), Owner: r.IntN(2) == 0},
		&FindAnswer{Owners: r.contacts(), Closer: r.contacts(), Owner: r.IntN(2) == 0},
		&NeighboursRequest{Known: r.Uint64N(3)},
		&NeighboursAnswer{Predecessor: r.maybe(), Successors: r.contacts(), Version: r.Uint64() | 1},
		&NotifyRequest{}, &NotifyAnswer{},
		&LeaveRequest{Predecessor: r.maybe(), Successors: r.contacts()}, &LeaveAnswer{},
		&ForwardRequest{
			Key: r.blob(80), N: 1 + r.IntN(8), Query: r.Uint64N(9) | 1, Asker: r.contact(), Owner: r.IntN(2) == 0,
			HopsLeft: r.IntN(MaxTrace + 1), Trace: r.trace(),
		},
		&ForwardAnswer{},
		&ResultRequest{Query: r.Uint64N(9) | 1, Owners: r.contacts(), Trace: r.trace()}, &ResultAnswer{},
		&AddProviderRequest{Key: r.blob(80), Provider: r.contact()}, &AddProviderAnswer{},
		&GetProvidersRequest{Key: r.blob(80)}, &GetProvidersAnswer{Providers: r.contacts()},
		&PutValueRequest{Value: &v}, &PutValueAnswer{},
		&GetValueRequest{Key: r.blob(80)}, answer,
		&HandOverRequest{Providers: listOf(r, 9, r.provider), Values: listOf(r, 9, r.value)},
		&HandOverAnswer{Taken: r.IntN(2 * MaxRecords)},
		&SyncRequest{After: r.place(), Upto: r.place(), Digest: r.Uint64N(4), Count: r.IntN(4)},
		&SyncAnswer{Same: r.IntN(2) == 0, Have: listOf(r, 9, r.Uint64)},
	}
}

func roundTrip(t *testing.T, m Message) {
	t.Helper()
	b, err := Codec{}.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Codec{}.Decode(b)
	if err != nil {
		t.Fatalf("%+v: %v", m, err)
	}
	if !reflect.DeepEqual(out, overlay.Message(m)) {
		t.Fatalf("sent %+v\ngot  %+v", m, out)
	}
}

func TestCodecRoundTrip(t *testing.T) {
	r := sampler{rand.New(rand.NewPCG(1, 2))}
	seen := make(map[MessageType]bool)
	for range 100 {
		for _, m := range r.all() {
			seen[m.Type()] = true
			roundTrip(t, m)
		}
	}
	for typ := range shapes {
		if !seen[typ] {
			t.Errorf("%s is never tried", typ)
		}
	}
	if len(seen) != len(shapes) {
		t.Errorf("%d types are sent, %d can be read", len(seen), len(shapes))
	}
}

const peer1 = "00080000000000000001" // overlaytest.PeerID(1)

// TestCodecGolden compares with bytes put together by hand from docs/wire.md.
func TestCodecGolden(t *testing.T) {
	c := overlay.NewContact(overlaytest.PeerID(1), ma.StringCast("/ip4/1.2.3.4/tcp/4001"))
	contact := "0a0a" + peer1 + "1208" + "0401020304060fa1"
	for _, g := range []struct {
		hex string
		msg Message
	}{
		{"0801", &PingRequest{}},
		{"088101", &PingAnswer{}},
		{"0801" + "880101", &PingRequest{Changed: true}},
		{"0802" + "12026162" + "1808" + "2001", &FindRequest{Key: []byte("ab"), N: 8, Owner: true}},
		{"088201" + "3a16" + contact + "4216" + contact, &FindAnswer{Owners: []*overlay.Contact{&c}, Closer: []*overlay.Contact{&c}}},
		{"088301" + "2807" + "3216" + contact, &NeighboursAnswer{Version: 7, Predecessor: &c}},
		{
			"0806" + "12026162" + "1801" + "4805" + "5216" + contact + "5802" + "621d" + "0a16" + contact + "10e807" + "1801",
			&ForwardRequest{Key: []byte("ab"), N: 1, Query: 5, Asker: &c, HopsLeft: 2, Trace: []Hop{{Node: &c, Took: time.Millisecond, Silent: 1}}},
		},
		{
			"080c" + "6a3c" + "0a20" + strings.Repeat("ab", 32) + "1216" + contact + "180a" + "7209" + "0a016b" + "120176" + "18901c",
			&HandOverRequest{
				Providers: []ProviderRecord{{Key: overlay.ID(bytes.Repeat([]byte{0xab}, 32)), Provider: &c, Age: 10 * time.Second}},
				Values:    []ValueRecord{{Key: []byte("k"), Value: []byte("v"), Age: time.Hour}},
			},
		},
		{"088c01" + "7803", &HandOverAnswer{Taken: 3}},
	} {
		want, err := hex.DecodeString(g.hex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Codec{}.Encode(g.msg)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: wrote %x, want %x (%v)", g.msg.Type(), got, want, err)
		}
		back, err := Codec{}.Decode(want)
		if err != nil || !reflect.DeepEqual(back, overlay.Message(g.msg)) {
			t.Errorf("%s: read %+v (%v)", g.msg.Type(), back, err)
		}
	}
}

func TestCodecRefuses(t *testing.T) {
	field := func(num protowire.Number, b string) string {
		return hex.EncodeToString(protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), []byte(b)))
	}
	contact := func(n int) string {
		id := overlaytest.PeerID(n)
		return string(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte(id)))
	}
	fat := contact(1)
	for range 5 {
		a := ma.StringCast("/dns4/" + strings.Repeat("a", 450) + "/tcp/1").Bytes()
		fat += string(protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), a))
	}
	for name, x := range map[string]struct {
		hex string
		why error
	}{
		"nothing":                   {"", ErrUnknownMessage},
		"no type first":             {"12026162" + "0802", ErrUnknownMessage},
		"type 0":                    {"0800", ErrUnknownMessage},
		"type 256":                  {"088002", ErrUnknownMessage},
		"type as bytes":             {"0a0104", ErrUnknownMessage},
		"type cut short":            {"0882", ErrUnknownMessage},
		"type twice":                {"08010801", ErrUnknownMessage},
		"a field of later times":    {"0801" + "c001" + "01", ErrUnknownMessage},
		"another message's field":   {"0801" + "1801", ErrUnknownMessage},
		"find without a key":        {"0802" + "1808", ErrBounds},
		"find without n":            {"0802" + "12026162", ErrBounds},
		"find with n = 65":          {"0802" + "12026162" + "1841", ErrBounds},
		"find with n = 0":           {"0802" + "12026162" + "1800", ErrBounds},
		"two keys":                  {"0802" + "12026162" + "12026162" + "1808", ErrBounds},
		"an empty key":              {"0802" + "1200" + "1808", ErrBounds},
		"a key too long":            {"0802" + field(2, strings.Repeat("k", MaxKey+1)) + "1808", ErrBounds},
		"half a fingerprint":        {"088d01" + field(23, "abcd"), ErrBounds},
		"a sync of nothing":         {"080d", ErrBounds},
		"an ID too short":           {"080d" + field(18, "abcd") + field(19, "abcd"), ErrBounds},
		"a place of 2 bytes":        {"0802" + "12026162" + "1808" + "800101", ErrBounds},
		"owner = 2":                 {"0802" + "12026162" + "1808" + "2002", ErrBounds},
		"key as a number":           {"0802" + "1001" + "1808", ErrBounds},
		"cut short":                 {"0802" + "1205aa", ErrBounds},
		"32 bits":                   {"0802" + "15aabbccdd", ErrBounds},
		"a group":                   {"0802" + "1314", ErrBounds},
		"neighbours, no version":    {"088301", ErrBounds},
		"an empty contact":          {"088201" + "3a00", ErrForged},
		"no peer ID":                {"088201" + field(7, "\x0a\x03abc"), ErrForged},
		"two peer IDs":              {"088201" + field(7, contact(1)+contact(2)), ErrBounds},
		"an ID that travels":        {"088201" + field(7, contact(1)+"\x1a\x01x"), ErrBounds},
		"no address":                {"088201" + field(7, contact(1)+"\x12\x03abc"), ErrBounds},
		"an empty address":          {"088201" + field(7, contact(1)+"\x12\x00"), ErrBounds},
		"a contact too long":        {"088201" + field(7, fat), ErrBounds},
		"33 addresses":              {"088201" + field(7, contact(1)+strings.Repeat("\x12\x08\x04\x01\x02\x03\x04\x06\x0f\xa1", 33)), ErrBounds},
		"65 contacts":               {"088201" + strings.Repeat(field(7, contact(1)), 65), ErrBounds},
		"65 hops":                   {"0807" + strings.Repeat(field(12, "\x0a\x0c"+contact(1)), 65), ErrBounds},
		"a hop of nobody":           {"0807" + field(12, "\x18\x01"), ErrBounds},
		"a hop of two":              {"0807" + field(12, "\x0a\x0c"+contact(1)+"\x0a\x0c"+contact(1)), ErrBounds},
		"257 values":                {"080c" + strings.Repeat(field(14, "\x0a\x01k\x12\x01v"), 257), ErrBounds},
		"two values put":            {"080a" + strings.Repeat(field(14, "\x0a\x01k\x12\x01v"), 2), ErrBounds},
		"no value put":              {"080a", ErrBounds},
		"a value without a key":     {"080a" + field(14, "\x12\x01v"), ErrBounds},
		"an empty value":            {"080a" + field(14, "\x0a\x01k"), ErrBounds},
		"a value too long":          {"080a" + field(14, "\x0a\x01k"+string(protowire.AppendBytes([]byte{0x12}, make([]byte, MaxValue+1)))), ErrBounds},
		"an age of centuries":       {"080a" + field(14, "\x0a\x01k\x12\x01v\x18\xff\xff\xff\xff\x7f"), ErrBounds},
		"a record without provider": {"080c" + field(13, "\x0a\x01k"), ErrBounds},
		"provide for nobody":        {"0808" + "12026162", ErrBounds},
	} {
		b, err := hex.DecodeString(x.hex)
		if err != nil {
			t.Fatal(name, err)
		}
		m, err := Codec{}.Decode(b)
		if !errors.Is(err, overlay.ErrBadMessage) || !errors.Is(err, x.why) {
			t.Errorf("%s: got %+v, %v; want %v", name, m, err, x.why)
		}
	}
	if _, err := (Codec{}).Decode(make([]byte, MaxMessage+1)); !errors.Is(err, ErrBounds) {
		t.Errorf("too long a message: %v", err)
	}
	if _, err := (Codec{}).Encode("no message"); err == nil {
		t.Error("encoded a string")
	}
	if _, err := (Codec{}).Encode(&Unknown{Number: 99}); err == nil {
		t.Error("encoded an unknown message")
	}
}

// TestCodecUnknown: a type of later times is shown as such, whatever it carries.
func TestCodecUnknown(t *testing.T) {
	for h, want := range map[string]MessageType{"0863": 99, "08e301ffff": 0xe3, "080e" + "12026162": 14} {
		b, err := hex.DecodeString(h)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Codec{}.Decode(b)
		if u, ok := m.(*Unknown); err != nil || !ok || u.Number != want {
			t.Errorf("%s: %+v, %v", h, m, err)
		}
	}
}

// TestCodecTrims: what a sender may have too much of is left out, an age is
// rounded up, and a message never exceeds its bound.
func TestCodecTrims(t *testing.T) {
	fat := overlay.NewContact(overlaytest.PeerID(1))
	for range 200 {
		fat.Addrs = append(fat.Addrs, ma.StringCast("/dns4/"+strings.Repeat("a", 200)+".example/tcp/1"))
	}
	var many []*overlay.Contact
	for range 500 {
		many = append(many, &fat)
	}
	b, err := Codec{}.Encode(&GetProvidersAnswer{Providers: many})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Codec{}.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	got := m.(*GetProvidersAnswer).Providers
	if len(got) != MaxContacts || len(got[0].Addrs) == 0 || len(got[0].Addrs) > overlay.MaxAddrs {
		t.Errorf("%d providers with %d addresses", len(got), len(got[0].Addrs))
	}
	if _, err := (Codec{}).Encode(&FindAnswer{Owners: many[:MaxContacts], Closer: many[:MaxContacts]}); err != nil {
		t.Errorf("the longest lists do not fit: %v", err)
	}
	v := ValueRecord{Key: []byte("k"), Value: make([]byte, MaxValue), Age: time.Second + 1}
	b, err = Codec{}.Encode(&PutValueRequest{Value: &v})
	if err != nil {
		t.Fatal(err)
	}
	if m, err = (Codec{}).Decode(b); err != nil || m.(*PutValueRequest).Value.Age != 2*time.Second {
		t.Errorf("read %v", err)
	}
	if _, err := (Codec{}).Encode(&HandOverRequest{Values: []ValueRecord{v, v, v, v, v, v, v, v, v}}); err == nil {
		t.Error("encoded a message beyond its bound")
	}
}

// FuzzDecode: whatever comes is refused with a reason or understood, within the
// bounds, and what was understood can be said again and means the same.
func FuzzDecode(f *testing.F) {
	r := sampler{rand.New(rand.NewPCG(3, 4))}
	for range 2 {
		for _, m := range r.all() {
			b, err := Codec{}.Encode(m)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Codec{}.Decode(b)
		if err != nil {
			why := errors.Is(err, ErrBounds) || errors.Is(err, ErrForged) || errors.Is(err, ErrUnknownMessage)
			if !errors.Is(err, overlay.ErrBadMessage) || !why {
				t.Fatalf("an error without a reason: %v", err)
			}
			return
		}
		if _, unknown := m.(*Unknown); unknown {
			return
		}
		again, err := Codec{}.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > len(b) {
			t.Fatalf("%d bytes were read from %d", len(again), len(b))
		}
		m2, err := Codec{}.Decode(again)
		if err != nil || !reflect.DeepEqual(m, m2) {
			t.Fatalf("%+v\n%+v\n%v", m, m2, err)
		}
	})
}

// FuzzRoundTrip: what is sent is what is read, for every message within the
// bounds.
func FuzzRoundTrip(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, byte(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, which byte) {
		all := sampler{rand.New(rand.NewPCG(seed, 5))}.all()
		roundTrip(t, all[int(which)%len(all)])
	})
}
