package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	mh "github.com/multiformats/go-multihash"
)

func testCid(s string) cid.Cid {
	h, err := mh.Sum([]byte(s), mh.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, h)
}

// message is what every message but Block offers.
type message interface{ Append([]byte) []byte }

var parsers = map[Type]func([]byte) (message, error){
	TypeHello:  func(b []byte) (message, error) { return ParseHello(b) },
	TypeState:  func(b []byte) (message, error) { return ParseState(b) },
	TypeBitmap: func(b []byte) (message, error) { return ParseBitmap(b) },
	TypeHave:   func(b []byte) (message, error) { return ParseHave(b) },
	TypeWant:   func(b []byte) (message, error) { return ParseWant(b) },
	TypeCancel: func(b []byte) (message, error) { return ParseCancel(b) },
	TypeRefuse: func(b []byte) (message, error) { return ParseRefuse(b) },

	TypeChoke:   func(b []byte) (message, error) { return ParseChoke(b) },
	TypeUnchoke: func(b []byte) (message, error) { return ParseUnchoke(b) },
	TypeVouch:   func(b []byte) (message, error) { return ParseVouch(b) },
	TypePeers:   func(b []byte) (message, error) { return ParsePeers(b) },
}

var samples = []struct {
	t Type
	m message
}{
	{TypeHello, Hello{Version: 1, Root: testCid("root")}},
	{TypeHello, Hello{Version: 300, Features: 7, Root: cid.NewCidV0(testCid("root").Hash())}},
	{TypeState, State{Version: 1}},
	{TypeState, State{Version: 1, Status: StatusComplete, Chunks: 1 << 40}},
	{TypeState, State{Version: 1, Features: FeaturePeers, Status: StatusPartial, Chunks: MaxChunks}},
	{TypeBitmap, Bitmap{First: 0, Bits: []byte{1}}},
	{TypeBitmap, Bitmap{First: MaxChunks - 16, Bits: []byte{0xff, 0}}},
	{TypeHave, Have{Runs: []Run{{0, 1}}}},
	{TypeHave, Have{Runs: []Run{{0, 1}, {2, 1}, {100, 1000}, {MaxChunks - 1, 1}}}},
	{TypeWant, Want{ID: 0, Cid: testCid("a"), Offset: 0, Length: 0}},
	{TypeWant, Want{ID: 1<<63 - 1, Cid: testCid("a"), Offset: MaxRange, Length: MaxRange}},
	{TypeCancel, Cancel{ID: 77}},
	{TypeRefuse, Refuse{ID: 77, Reason: ReasonChanged}},
	{TypeRefuse, Refuse{ID: 0, Reason: 1000}},
	{TypeChoke, Choke{}},
	{TypeChoke, Choke{Reason: ChokeCredit, Credit: 1 << 40, Sent: 1<<63 - 1}},
	{TypeUnchoke, Unchoke{}},
	{TypeVouch, Vouch{Root: testCid("root"), By: testPeer("a"), For: testPeer("b"), Bytes: 1 << 30, At: 1.7e12, Signature: []byte{1}}},
	{TypeVouch, Vouch{Root: testCid("root"), By: testPeer("b"), For: testPeer("a"), Signature: bytes.Repeat([]byte{9}, MaxSignature)}},
	{TypePeers, Peers{Members: []Member{{ID: testPeer("a")}}}},
	{TypePeers, NewPeers(testMembers(MaxMembers + 5))},
}

func testPeer(s string) peer.ID { return peer.ID(testCid(s).Hash()) }

// testMembers are n peers with more and longer addresses than fit.
func testMembers(n int) []peer.AddrInfo {
	long := ma.StringCast("/dns4/" + strings.Repeat("x", MaxAddr) + "/tcp/1")
	infos := make([]peer.AddrInfo, n)
	for i := range infos {
		infos[i] = peer.AddrInfo{ID: testPeer(fmt.Sprint(i)), Addrs: []ma.Multiaddr{long}}
		for port := range i {
			infos[i].Addrs = append(infos[i].Addrs, ma.StringCast(fmt.Sprintf("/ip4/10.0.0.1/udp/%d/quic-v1", port)))
		}
	}
	return infos
}

// body takes the one frame in b apart.
func body(t *testing.T, b []byte) (Head, []byte) {
	t.Helper()
	r := NewReader(bytes.NewReader(b))
	h, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Body(h)
	if err != nil {
		t.Fatal(err)
	}
	p = bytes.Clone(p)
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the frame: %v", err)
	}
	return h, p
}

func TestRoundTrip(t *testing.T) {
	for _, s := range samples {
		h, b := body(t, s.m.Append(nil))
		if h.Type != s.t {
			t.Errorf("%#v: type %d", s.m, h.Type)
		}
		got, err := parsers[s.t](b)
		if err != nil {
			t.Errorf("%#v: %v", s.m, err)
		} else if !reflect.DeepEqual(got, s.m) {
			t.Errorf("%#v came back as %#v", s.m, got)
		}
		for n := range b { // no prefix of a body may pass for another of its kind
			if m, err := parsers[s.t](b[:n]); err == nil && bytes.Equal(m.Append(nil), s.m.Append(nil)) {
				t.Errorf("%#v: %d of %d bytes were enough", s.m, n, len(b))
			}
		}
	}
}

func TestBlockRoundTrip(t *testing.T) {
	for _, m := range []Block{{ID: 1, Len: 3}, {ID: 1<<63 - 1, Last: true, Len: 0}, {ID: 300, Last: true, Len: MaxBlockData}} {
		head := m.AppendHead(nil)
		if len(head) > MaxBlockHead {
			t.Errorf("%+v: head of %d bytes", m, len(head))
		}
		data := bytes.Repeat([]byte{7}, m.Len)
		for _, src := range []io.Reader{
			bytes.NewReader(append(head, data...)),
			iotest.OneByteReader(bytes.NewReader(append(head, data...))),
		} {
			r := NewReader(src)
			h, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Block(h)
			if err != nil || got != m {
				t.Fatalf("%+v came back as %+v, %v", m, got, err)
			}
			for buf := make([]byte, m.Len); len(buf) > 0; {
				n, err := r.Data(buf)
				if err != nil || n == 0 {
					t.Fatal(n, err)
				}
				buf = buf[n:]
			}
			if _, err := r.Next(); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
	}
}

func TestRefusesWhatTheFormatForbids(t *testing.T) {
	c := testCid("x").Bytes()
	withCid := func(pre []byte, post ...byte) []byte { return append(appendBytes(pre, c), post...) }
	big := appendUint(nil, MaxBlock+1)
	for name, tc := range map[string]struct {
		t Type
		b []byte
	}{
		"hello empty":                {TypeHello, nil},
		"hello version 0":            {TypeHello, withCid([]byte{0, 0})},
		"hello varint not minimal":   {TypeHello, withCid([]byte{0x81, 0, 0})},
		"hello trailing":             {TypeHello, withCid([]byte{1, 0}, 9)},
		"hello cid length":           {TypeHello, []byte{1, 0, 0x7f, 1}},
		"hello not a cid":            {TypeHello, []byte{1, 0, 2, 9, 9}},
		"hello varint of 10 bytes":   {TypeHello, bytes.Repeat([]byte{0xff}, 10)},
		"state status":               {TypeState, []byte{1, 0, 3, 0}},
		"state version":              {TypeState, []byte{0, 0, 0, 0}},
		"state partial without size": {TypeState, []byte{1, 0, 1, 0}},
		"state partial too large":    {TypeState, appendUint([]byte{1, 0, 1}, MaxChunks+1)},
		"state trailing":             {TypeState, []byte{1, 0, 2, 5, 5}},
		"bitmap unaligned":           {TypeBitmap, []byte{4, 1}},
		"bitmap empty":               {TypeBitmap, []byte{0}},
		"bitmap beyond":              {TypeBitmap, append(appendUint(nil, MaxChunks-8), 1, 1)},
		"bitmap too long":            {TypeBitmap, make([]byte, 1+MaxBitmap+1)},
		"have empty":                 {TypeHave, nil},
		"have no chunks":             {TypeHave, []byte{1, 0}},
		"have half a run":            {TypeHave, []byte{1}},
		"have beyond":                {TypeHave, appendUint(appendUint(nil, MaxChunks-1), 2)},
		"have overflow":              {TypeHave, appendUint(appendUint(appendUint(appendUint(nil, 0), 1), 1<<63-1), 1<<63-1)},
		"have too many runs":         {TypeHave, bytes.Repeat([]byte{0, 1}, MaxRuns+1)},
		"want range too long":        {TypeWant, append(withCid([]byte{1}, 0), appendUint(nil, MaxRange+1)...)},
		"want empty range":           {TypeWant, withCid([]byte{1}, 5, 0)},
		"want beyond":                {TypeWant, append(append(withCid([]byte{1}), big...), 1)},
		"want offset huge":           {TypeWant, append(append(withCid([]byte{1}), appendUint(nil, 1<<63-1)...), 1)},
		"want trailing":              {TypeWant, withCid([]byte{1}, 0, 1, 0)},
		"cancel trailing":            {TypeCancel, []byte{1, 1}},
		"refuse short":               {TypeRefuse, []byte{1}},
		"choke short":                {TypeChoke, []byte{1, 1}},
		"choke trailing":             {TypeChoke, []byte{1, 1, 1, 1}},
		"unchoke with a body":        {TypeUnchoke, []byte{0}},
		"vouch empty":                {TypeVouch, nil},
		"vouch for itself":           {TypeVouch, vouchBody(func(v *Vouch) { v.For = v.By })},
		"vouch without signature":    {TypeVouch, vouchBody(func(v *Vouch) { v.Signature = nil })},
		"vouch signature too long":   {TypeVouch, vouchBody(func(v *Vouch) { v.Signature = make([]byte, MaxSignature+1) })},
		"vouch by no peer":           {TypeVouch, vouchBody(func(v *Vouch) { v.By = "nobody" })},
		"vouch by an empty peer":     {TypeVouch, vouchBody(func(v *Vouch) { v.By = "" })},
		"vouch peer too long":        {TypeVouch, vouchBody(func(v *Vouch) { v.By = longPeer(MaxPeerID + 1) })},
		"vouch trailing":             {TypeVouch, append(vouchBody(func(*Vouch) {}), 0)},
		"peers empty":                {TypePeers, nil},
		"peers too many":             {TypePeers, peersBody(testIDs(MaxMembers + 1)...)},
		"peers out of order":         {TypePeers, peersBody(testIDs(2)[1], testIDs(2)[0])},
		"peers twice":                {TypePeers, peersBody(testIDs(1)[0], testIDs(1)[0])},
		"peers too many addresses":   {TypePeers, appendUint(appendBytes(nil, []byte(testPeer("a"))), MaxMemberAddrs+1)},
		"peers empty address":        {TypePeers, append(appendBytes(nil, []byte(testPeer("a"))), 1, 0)},
		"peers address missing":      {TypePeers, append(appendBytes(nil, []byte(testPeer("a"))), 1)},
		"peers address too long":     {TypePeers, appendBytes(append(appendBytes(nil, []byte(testPeer("a"))), 1), make([]byte, MaxAddr+1))},
		"peers no id":                {TypePeers, []byte{3, 1, 2, 3, 0}},
	} {
		if m, err := parsers[tc.t](tc.b); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %#v, %v", name, m, err)
		}
	}
	for name, b := range map[string][]byte{
		"block empty":           {},
		"block without flags":   {1},
		"block flags":           {1, 2, 3},
		"block empty, not last": {1, 0},
		"block too long":        make([]byte, 2+MaxBlockData+1),
	} {
		if m, _, err := ParseBlock(b); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %#v, %v", name, m, err)
		}
	}
}

func TestReaderBounds(t *testing.T) {
	frame := func(t Type, n int) []byte { return AppendFrame(nil, t, make([]byte, n)) }
	for name, tc := range map[string]struct {
		b    []byte
		want error
	}{
		"frame too long":                 {appendUint([]byte{1}, MaxFrame+1), ErrProtocol},
		"length not minimal":             {[]byte{1, 0x80, 0}, ErrProtocol},
		"ends in the head":               {[]byte{1}, io.ErrUnexpectedEOF},
		"ends in the body":               {frame(TypeChoke, 9)[:5], io.ErrUnexpectedEOF},
		"unknown mandatory":              {frame(1000, 0), ErrProtocol},
		"optional too long to skip":      {frame(1001, MaxSkipped+1), ErrProtocol},
		"optional, and then the end":     {frame(1001, MaxSkipped), io.EOF},
		"nothing at all":                 {nil, io.EOF},
		"several optional, then the end": {append(frame(1, 5), frame(3, 0)...), io.EOF},
	} {
		r := NewReader(bytes.NewReader(tc.b))
		var err error
		for err == nil {
			var h Head
			if h, err = r.Next(); err == nil {
				err = r.Skip(h)
			}
		}
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func vouchBody(f func(*Vouch)) []byte {
	v := Vouch{Root: testCid("root"), By: testPeer("a"), For: testPeer("b"), Bytes: 1, At: 2, Signature: []byte{3}}
	f(&v)
	return appendBytes(v.signed(""), v.Signature)
}

// longPeer is an ID of n bytes: an identity hash.
func longPeer(n int) peer.ID {
	h, err := mh.Encode(make([]byte, n-2), mh.IDENTITY)
	if err != nil {
		panic(err)
	}
	return peer.ID(h)
}

func testIDs(n int) (ids []peer.ID) {
	for i := range n {
		ids = append(ids, testPeer(fmt.Sprint(i)))
	}
	slices.Sort(ids)
	return ids
}

func peersBody(ids ...peer.ID) (b []byte) {
	for _, id := range ids {
		b = append(appendBytes(b, []byte(id)), 0)
	}
	return b
}

func TestVouchSignature(t *testing.T) {
	key, pub, err := crypto.GenerateEd25519Key(iotest.DataErrReader(bytes.NewReader(bytes.Repeat([]byte{7}, 64))))
	if err != nil {
		t.Fatal(err)
	}
	by, err := peer.IDFromPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Vouch{Root: testCid("root"), By: by, For: testPeer("b"), Bytes: 77, At: 1.7e12}.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	_, b := body(t, v.Append(nil))
	if v, err = ParseVouch(b); err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(pub); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(*Vouch){
		"another root":  func(v *Vouch) { v.Root = testCid("other") },
		"another giver": func(v *Vouch) { v.For = testPeer("c") },
		"more bytes":    func(v *Vouch) { v.Bytes++ },
		"another time":  func(v *Vouch) { v.At++ },
		"a bit flipped": func(v *Vouch) { v.Signature = bytes.Clone(v.Signature); v.Signature[9] ^= 4 },
		"another peer":  func(v *Vouch) { v.By = testPeer("c") },
	} {
		forged := v
		f(&forged)
		if err := forged.Verify(pub); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := v.Verify(nil); !errors.Is(err, ErrSignature) {
		t.Errorf("without a key: %v", err)
	}
}

func TestMemberInfo(t *testing.T) {
	at := func(ss ...string) (as []ma.Multiaddr) {
		for _, s := range ss {
			as = append(as, ma.StringCast(s))
		}
		return as
	}
	relay := "/ip4/10.0.0.1/tcp/1/p2p/" + testPeer("relay").String() + "/p2p-circuit"
	m := NewMember(peer.AddrInfo{ID: testPeer("a"), Addrs: at("/ip4/10.0.0.1/tcp/1", relay, "/ip4/10.0.0.2/tcp/1/p2p/"+testPeer("b").String())})
	m.Addrs = append(m.Addrs, []byte{0xff, 0xff, 0x7f, 1, 2, 3}) // of a protocol to come
	want := peer.AddrInfo{ID: testPeer("a"), Addrs: at("/ip4/10.0.0.1/tcp/1", relay)}
	if got := m.Info(); got.String() != want.String() {
		t.Errorf("%v, want %v", got, want)
	}
	if b := NewPeers(testMembers(MaxMembers)).Append(nil); len(b) > MaxSkipped {
		t.Errorf("a Peers frame of %d bytes cannot be stepped over", len(b))
	}
	if most := MaxMembers * (1 + MaxPeerID + 1 + MaxMemberAddrs*(2+MaxAddr)); most > MaxSkipped {
		t.Errorf("a Peers frame may have %d bytes", most)
	}
}

// One law for every parser: what it accepts, Append writes back byte for byte.
// So each message has exactly one encoding.

func FuzzHello(f *testing.F)   { fuzzBody(f, TypeHello) }
func FuzzState(f *testing.F)   { fuzzBody(f, TypeState) }
func FuzzBitmap(f *testing.F)  { fuzzBody(f, TypeBitmap) }
func FuzzHave(f *testing.F)    { fuzzBody(f, TypeHave) }
func FuzzWant(f *testing.F)    { fuzzBody(f, TypeWant) }
func FuzzCancel(f *testing.F)  { fuzzBody(f, TypeCancel) }
func FuzzRefuse(f *testing.F)  { fuzzBody(f, TypeRefuse) }
func FuzzChoke(f *testing.F)   { fuzzBody(f, TypeChoke) }
func FuzzUnchoke(f *testing.F) { fuzzBody(f, TypeUnchoke) }
func FuzzVouch(f *testing.F)   { fuzzBody(f, TypeVouch) }

// FuzzPeers also asks for the addresses, which are a stranger's bytes.
func FuzzPeers(f *testing.F) {
	fuzzBody(f, TypePeers, func(m message) {
		for _, p := range m.(Peers).Members {
			p.Info()
		}
	})
}

func fuzzBody(f *testing.F, typ Type, uses ...func(message)) {
	for _, s := range samples {
		r := NewReader(bytes.NewReader(s.m.Append(nil)))
		h, err := r.Next()
		if err != nil {
			f.Fatal(err)
		}
		p, err := r.Body(h)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(p)) // also those of other types
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > MaxFrame {
			return
		}
		m, err := parsers[typ](b)
		if err != nil {
			if !errors.Is(err, ErrProtocol) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if !bytes.Equal(m.Append(nil), AppendFrame(nil, typ, b)) {
			t.Fatalf("%x accepted as %#v", b, m)
		}
		for _, use := range uses {
			use(m)
		}
	})
}

func FuzzBlock(f *testing.F) {
	f.Add([]byte{1, 1, 2, 3})
	f.Add([]byte{1, 1})
	f.Add([]byte{0xff, 1, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > MaxFrame {
			return
		}
		frame := AppendFrame(nil, TypeBlock, b)
		m, data, err := ParseBlock(b)
		if err == nil && !bytes.Equal(append(m.AppendHead(nil), data...), frame) {
			t.Fatalf("%x accepted as %+v", b, m)
		}
		r := NewReader(bytes.NewReader(frame))
		h, err2 := r.Next()
		if err2 != nil {
			t.Fatal(err2)
		}
		if m2, err2 := r.Block(h); (err == nil) != (err2 == nil) || (err == nil && m2 != m) {
			t.Fatalf("%x: %+v, %v, but from the stream %+v, %v", b, m, err, m2, err2)
		}
	})
}

// FuzzReader feeds whole streams: the reader never panics, never reads past a
// frame, and splits the same frames whatever the sizes of the reads.
func FuzzReader(f *testing.F) {
	var all []byte
	for _, s := range samples {
		all = s.m.Append(all)
	}
	f.Add(all)
	f.Add(append(Block{ID: 9, Len: 5, Last: true}.AppendHead(nil), "hello"...))
	f.Add(AppendFrame(nil, TypePeers, []byte("later")))
	f.Add([]byte{byte(TypeBlock), 1, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, err1 := drain(bytes.NewReader(b))
		bits, err2 := drain(bufio.NewReader(iotest.OneByteReader(bytes.NewReader(b))))
		if !reflect.DeepEqual(whole, bits) || (err1 == nil) != (err2 == nil) {
			t.Fatalf("%v, %v differs from %v, %v", whole, err1, bits, err2)
		}
	})
}

func drain(src io.Reader) (heads []Head, err error) {
	r := NewReader(src)
	for {
		h, err := r.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return heads, err
		}
		heads = append(heads, h)
		switch {
		case h.Type == TypeBlock:
			var m Block
			if m, err = r.Block(h); err == nil {
				err = r.Discard(m.Len)
			}
		case parsers[h.Type] != nil:
			_, err = r.Body(h)
		default:
			err = r.Skip(h)
		}
		if err != nil {
			return heads, err
		}
	}
}
